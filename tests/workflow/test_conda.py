"""`snakemake --use-conda`: where conda is on PATH, and where it is not.

With the stand-in, which is everywhere: test_dvc.py.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from . import stand_in_conda

HISTOGRAM = "results/demo/figures/class_histogram.svg"  # its jobs need both environments


def test_every_rule_that_runs_something_names_an_environment_and_follows_its_edits(root):
    rules = "".join(path.read_text() for path in sorted((root / "workflow/rules").glob("*.smk")))
    blocks = re.split(r"^ *(?:use )?rule ", rules, flags=re.M)[1:]
    jobs = [block for block in blocks if re.search(r"\n +shell:", block)]
    assert len(jobs) > 20
    for block in jobs:
        (name,) = re.findall(r'conda:\n\s+"\.\./\.\./envs/(\w+)\.yaml"', block)
        assert (root / f"envs/{name}.yaml").is_file()
        assert f"{name.upper()}_ENV)," in block, block.split(":")[0]


def test_without_conda_the_message_says_what_to_do(fresh):
    fresh.environment = stand_in_conda.off_path(fresh.environment)
    done = fresh.snakemake("--use-conda", "-n", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "--use-conda needs conda" in done.stdout
    assert "Miniforge" in done.stdout and "make install" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("conda"), reason="no conda on PATH: nothing can be solved")
@pytest.mark.skipif(
    not os.environ.get("EQUIMORPH_TEST_ALL"), reason="downloads gigabytes: `make test-all` runs it"
)
def test_conda_solves_the_environments_and_jobs_run_in_them(fresh):
    fresh.environment["PYTHONPATH"] = ""
    done = fresh.snakemake("--use-conda", HISTOGRAM)
    assert len(set(re.findall(r"Activating conda environment: (\S+)", done.stdout))) == 2
    assert (fresh.folder / HISTOGRAM).exists()
    # escnn goes in by the script beside compute.yaml, without what it declares.
    found = list(Path(fresh.folder, ".snakemake/conda").glob("*/lib/python*/site-packages/escnn"))
    assert len(found) == 1

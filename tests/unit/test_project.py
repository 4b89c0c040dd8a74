"""What a stranger meets first: README, the map, the change log, the hooks, the public CI."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from PIL import Image

from equimorph.classify import shipped
from equimorph.classify.classifier import load as load_classifier
from tests.conftest import ROOT
from tests.scripts import load
from tests.unit.classify.conftest import make_study

PAGES = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md"))


def project():
    """The table `project` of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(
        r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    assert released[0] == citation["version"] == project()["version"]


def test_public_ci_runs_the_same_checks_on_the_oldest_and_the_newest_python():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    (job,) = workflow["jobs"].values()
    oldest, newest = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project()["requires-python"]).groups()
    assert job["strategy"]["matrix"]["python"] == [f"3.{oldest}", f"3.{int(newest) - 1}"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]
    assert workflow["permissions"] == {"contents": "read"}


def test_the_hooks_mend_what_lint_would_refuse(tmp_path):
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "ill.py").write_text("import sys,os\nprint( os.sep )\n")
    (tmp_path / "ill.smk").write_text('rule a:\n  output: "x"\n')
    hooks = Path(sys.prefix, "bin/pre-commit")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "ill.py", "ill.smk"], cwd=tmp_path, check=True)
    first = subprocess.run([hooks, "run"], cwd=tmp_path, capture_output=True, text=True)
    assert first.returncode == 1, first.stdout + first.stderr
    assert (tmp_path / "ill.py").read_text() == "import os\n\nprint(os.sep)\n"
    assert (tmp_path / "ill.smk").read_text() == 'rule a:\n    output:\n        "x",\n'
    subprocess.run(["git", "add", "ill.py", "ill.smk"], cwd=tmp_path, check=True)
    subprocess.run([hooks, "run"], cwd=tmp_path, capture_output=True, check=True)


def test_the_map_is_what_the_files_say():
    module = load("docs/map.py")
    _, mark, tables = (ROOT / "docs/index.md").read_text().partition(module.MARK)
    assert mark and tables == "\n" + module.tables(), "run `python docs/map.py`"
    assert "|  |" not in tables  # every file begins with a sentence


def test_the_map_lists_every_page():
    pages = {page.name for page in ROOT.glob("docs/*.md")} - {"index.md"}
    rows = re.findall(
        r"^\| \[(\S+)\]\((\S+)\) \| .{20,} \|$", (ROOT / "docs/index.md").read_text(), re.M
    )
    assert [name for name, link in rows if name == link] == sorted(pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page):
    text = page.read_text()
    links = [page.parent / link for link in re.findall(r"\]\((?!\w+:)([^)#]+)", text)]
    places = r"`((?:workflow|tests|docs|envs|profiles|\.ci|\.github)/[\w./-]*\w)`"
    paths = [ROOT / path for path in re.findall(places, text) if "NAME" not in path]
    assert [str(path) for path in links + paths if not path.exists()] == []


def test_a_clone_is_the_same_to_the_byte_where_git_writes_crlf(tmp_path):
    """Windows' default; digests of scripts and of the store's objects must stay what they are."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone of the repository")
    for value in ("false", "true"):
        options = ["-c", f"core.autocrlf={value}"]
        subprocess.run(["git", *options, "clone", "-q", ROOT, tmp_path / value], check=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=tmp_path / "true", capture_output=True, check=True, text=True
    )
    files = [name for name in tracked.stdout.split("\0") if (tmp_path / "false" / name).is_file()]
    assert ".gitattributes" in files and len(files) > 500
    plain, windows = ([(tmp_path / v / n).read_bytes() for n in files] for v in ("false", "true"))
    assert [name for name, a, b in zip(files, plain, windows, strict=True) if a != b] == []


def test_the_readmes_ten_lines_label_a_galaxy(tmp_path, monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert len([line for line in code.splitlines() if line]) <= 10
    study = make_study(tmp_path / "results/demo")
    monkeypatch.setattr(shipped, "RESULTS", tmp_path / "results")
    Image.fromarray(study.images[0]).save(tmp_path / "galaxy.jpg")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    label, turned, unlike, alike = capsys.readouterr().out.splitlines()
    (expected,) = load_classifier(study.folder).predict("galaxy.jpg")
    assert label == f"{expected.label} {expected.probabilities[expected.label]:.0%}"
    assert turned == f"changes by turning: {expected.certificate.largest_change:.1%}"
    assert unlike == f"unlike the training images: {expected.warning}"
    assert alike == f"most like training image {expected.neighbours[0].index}"


def test_the_quickstart_notebook_runs(tmp_path, monkeypatch, capsys):
    notebook = json.loads((ROOT / "docs/quickstart.ipynb").read_text())
    assert notebook["nbformat"] == 4
    make_study(tmp_path / "results/demo")
    monkeypatch.setattr(shipped, "RESULTS", tmp_path / "results")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []  # those of another network would mislead
            exec("".join(cell["source"]), names)
    said = capsys.readouterr().out
    assert "after a quarter turn of the file: " in said
    assert float(re.search(r"quarter turn of the file: (\S+)", said)[1]) < 1e-3
    assert "right on held-out images: " in said

"""`equimorph provenance` on a study of a few bytes that Snakemake and git really made."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from equimorph.app.cli import main
from tests.conftest import ROOT

# Every job of a study in small: its files have the real names, and say what the real ones say.
SNAKEFILE = """
from pathlib import Path

from equimorph.lineage.ledger import Ledger

shell.prefix("set -euo pipefail; ")
configfile: "config.yaml"

onstart:
    Ledger(Path(), "demo").open()

onsuccess:
    Ledger(Path(), "demo").close("simulated")

R = "results/demo"

rule all:
    default_target: True
    input: f"{R}/report.html", f"{R}/metrics.json", f"{R}/history.csv"

rule simulate:
    input: script="workflow/scripts/simulate.py"
    output: "data/simulated/raw.h5"
    shell: "python {input.script} > {output}"

rule verify:
    input: script="workflow/scripts/name.py", raw="data/simulated/raw.h5"
    output: "data/simulated/verified.json"
    shell: "python {input.script} sha256={input.raw} > {output}"

rule convert:
    input: raw="data/simulated/raw.h5", verified="data/simulated/verified.json"
    output: "work/simulated/images.npy"
    shell: "cp {input.raw} {output}"

rule split:
    input: raw="data/simulated/raw.h5"
    output: csv="data/simulated/split-clean.csv"
    shell: "cp {input.raw} {output.csv}; echo split >> {output.csv}"

rule train:
    input:
        script="workflow/scripts/train.py",
        images="work/simulated/images.npy",
        raw="data/simulated/raw.h5",
        split="data/simulated/split-clean.csv",
    output: run=f"{R}/run.json", model=f"{R}/model.safetensors", history=f"{R}/history.csv"
    params: rate=config["rate"]
    shell: "python {input.script} {params.rate} {input.raw} {input.split} {output}"

rule metrics:
    input:
        script="workflow/scripts/name.py",
        run=f"{R}/run.json",
        model=f"{R}/model.safetensors",
        split="data/simulated/split-clean.csv",
    output: f"{R}/metrics.json"
    shell: "python {input.script} split_sha256={input.split} > {output}"

rule figure:
    input: run=f"{R}/run.json"
    output: f"{R}/figure.svg"
    shell: "cp {input.run} {output}"

rule report:
    input: figure=f"{R}/figure.svg"
    output: f"{R}/report.html"
    shell: "cp {input.figure} {output}"
"""
SIMULATE = "print('galaxies')\n"
NAME = """import hashlib, json, sys
from pathlib import Path

key, path = sys.argv[1].split("=")
print(json.dumps({key: hashlib.sha256(Path(path).read_bytes()).hexdigest()}))
"""
TRAIN = """import hashlib, json, sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from equimorph.provenance import commit, hardware, versions

rate, raw, split, run, model, history = sys.argv[1:]
sha256 = {
    key: hashlib.sha256(Path(path).read_bytes()).hexdigest()
    for key, path in (("data_sha256", raw), ("split_sha256", split))
}
save_file({"weight": np.ones(3)}, model, {"equimorph-2": json.dumps(sha256)})
stamp = {**commit(), "versions": versions(), "hardware": hardware("cpu", 1)}
Path(run).write_text(json.dumps({**sha256, **stamp, "rate": rate}))
Path(history).write_text(rate)
"""


def type_in(folder: Path, *command: str) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "workflow"),
        **{f"GIT_{who}_NAME": "a" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "a@b.c" for who in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A checkout with a finished study."""
    folder = tmp_path_factory.mktemp("made") / "a study"
    scripts = folder / "workflow/scripts"
    scripts.mkdir(parents=True)
    for name, text in (("simulate", SIMULATE), ("name", NAME), ("train", TRAIN)):
        (scripts / f"{name}.py").write_text(text)
    (folder / "Snakefile").write_text(SNAKEFILE)
    (folder / "config.yaml").write_text("rate: 0.1\n")
    (folder / ".gitignore").write_text("/data/\n/results/\n/work/\n/.snakemake/\n")
    type_in(folder, "git", "init", "-q")
    type_in(folder, "git", "add", "-A")
    type_in(folder, "git", "commit", "-qm", "first")
    type_in(folder, "snakemake", "--cores", "1", "--quiet", "all")
    return folder


@pytest.fixture
def study(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, which may be changed; paths are relative to it."""
    folder = tmp_path / "elsewhere"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def trace(path: str, capsys) -> dict:
    main(["provenance", path, "--json"])
    return json.loads(capsys.readouterr().out)


def complaint(path: str, capsys) -> str:
    """Return the error message of a trace that must fail."""
    with pytest.raises(SystemExit) as stop:
        main(["provenance", path])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    return error


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_report_leads_back_to_the_raw_file(study, capsys):
    found = trace("results/demo/report.html", capsys)
    assert found["targets"] == {"results/demo/report.html": sha256("results/demo/report.html")}
    order = [job["rule"] for job in found["jobs"]]
    assert order[:3] == ["report", "figure", "train"] and order[-1] == "simulate"
    assert sorted(order[3:-1]) == ["convert", "split", "verify"]
    raw, split = "data/simulated/raw.h5", "data/simulated/split-clean.csv"
    assert found["raw"] == {raw: sha256(raw)} and found["split"] == {split: sha256(split)}
    assert found["problems"] == [] and found["checked"] >= 12


def test_each_job_names_its_sources_its_settings_and_their_commit(study, capsys):
    jobs = {job["rule"]: job for job in trace("results/demo/figure.svg", capsys)["jobs"]}
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True)
    train, script = jobs["train"], "workflow/scripts/train.py"
    assert train["sources"] == {script: sha256(script)}
    assert train["commit"] == head.stdout.strip() and train["dirty"] is False
    assert train["made"] == {"results/demo/run.json": sha256("results/demo/run.json")}
    assert train["from"]["data/simulated/raw.h5"] == sha256("data/simulated/raw.h5")
    assert "train.py 0.1 " in train["commands"][0]
    assert len({job["config_sha256"] for job in jobs.values()}) == 2  # train's, and of no settings


def test_trainings_name_commit_versions_and_hardware(study, capsys):
    (stamp,) = trace("results/demo/figure.svg", capsys)["stamps"]
    run = json.loads(Path("results/demo/run.json").read_text())
    assert stamp["path"] == "results/demo/run.json" and len(stamp["commit"]) == 40
    assert stamp["versions"] == run["versions"] and stamp["hardware"] == run["hardware"]


def test_the_text_says_it_in_full(study, capsys):
    main(["provenance", "results/demo/report.html"])
    text = capsys.readouterr().out
    assert f"Raw file data/simulated/raw.h5: sha256 {sha256('data/simulated/raw.h5')}" in text
    assert f"Result results/demo/report.html, sha256 {sha256('results/demo/report.html')}" in text
    for part in ("train: 1 job", "as in commit", "python 3.", "hardware  cpu", ", 0 differ."):
        assert part in text


def test_a_folder_means_all_its_files(study, capsys):
    found = trace("results/demo", capsys)
    assert len(found["targets"]) == 6 and not found["problems"]
    found = trace(str(study / "data/simulated"), capsys)
    assert [Path(path).name for path in found["targets"]] == [
        "raw.h5",
        "split-clean.csv",
        "verified.json",
    ]


def test_files_that_nobody_keeps_may_be_absent(study, capsys):
    Path("work/simulated/images.npy").unlink()
    found = trace("results/demo/report.html", capsys)
    assert not found["problems"]
    convert = next(job for job in found["jobs"] if job["rule"] == "convert")
    assert convert["made"] == {"work/simulated/images.npy": None}


@pytest.mark.parametrize(
    ("changed", "target"),
    [
        ("data/simulated/raw.h5", "results/demo/report.html"),
        ("data/simulated/split-clean.csv", "results/demo/report.html"),
        ("results/demo/run.json", "results/demo/report.html"),
        ("workflow/scripts/train.py", "results/demo/report.html"),
        ("results/demo/figure.svg", "results/demo/figure.svg"),  # the report's job has read it
        ("results/demo/report.html", "results/demo/report.html"),  # no job has read it
        ("results/demo/metrics.json", "results/demo"),
    ],
)
def test_a_changed_file_is_told(study, capsys, changed, target):
    with open(changed, "a") as file:
        file.write(" ")
    error = complaint(target, capsys)
    assert f"{changed}: the " in error and " but " in error


def test_a_model_that_names_another_split_is_told(study, capsys):
    """The ledger does not help here: it is elsewhere."""
    Path("results/demo/records.json.xz").unlink()
    path = Path("results/demo/metrics.json")
    path.write_text(json.dumps({"split_sha256": "0" * 64}))
    split = sha256("data/simulated/split-clean.csv")
    message = f"metrics.json: names the split {'0' * 64}, which is {split}."
    assert message in complaint("results/demo/metrics.json", capsys)
    model = Path("results/demo/model.safetensors")
    model.write_bytes(model.read_bytes().replace(split.encode(), b"1" * 64))
    error = complaint("results/demo/model.safetensors", capsys)
    assert "model.safetensors: the sha256 is" in error
    assert f"model.safetensors: names the split {'1' * 64}" in error


def test_edited_sources_are_of_no_commit(study, capsys):
    type_in(study, "sh", "-c", "echo '# edited' >> workflow/scripts/simulate.py")
    type_in(study, "snakemake", "--cores", "1", "data/simulated/raw.h5")
    (job,) = trace("data/simulated/raw.h5", capsys)["jobs"]
    assert job["commit"] is None and job["dirty"] is True
    type_in(study, "git", "commit", "-qam", "second")
    (job,) = trace("data/simulated/raw.h5", capsys)["jobs"]
    assert job["dirty"] is False
    shutil.rmtree(".git")
    (job,) = trace("data/simulated/raw.h5", capsys)["jobs"]
    assert job["commit"] is None and job["dirty"] is None


def test_what_was_made_anew_holds_and_what_was_made_from_the_old_does_not(study, capsys):
    Path("config.yaml").write_text("rate: 0.2\n")
    type_in(study, "snakemake", "--cores", "1", "results/demo/run.json")
    assert not trace("results/demo/run.json", capsys)["problems"]
    error = complaint("results/demo/report.html", capsys)
    assert "run.json: the sha256 is" in error and "when results/demo/figure.svg was made" in error


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("results/demo/none.svg", "results/demo/none.svg: there is no such file."),
        ("/none/at/all", "/none/at/all: there is no such file."),
        ("config.yaml", "config.yaml: Snakemake has no record of it"),
        ("/etc/hosts", "/etc/hosts: no folder above it has Snakemake's records"),
    ],
)
def test_a_path_without_provenance(study, capsys, path, message):
    error = complaint(path, capsys)
    assert message in error and error.count("\n") == 1


def record(rule: str) -> Path:
    """Return Snakemake's record of the one file that a rule makes."""
    records = Path(".snakemake/metadata").iterdir()
    (file,) = (file for file in records if json.loads(file.read_text())["rule"] == rule)
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("{", "not a JSON file"),
        ("[]", "not a record of Snakemake's"),
        ("{}", "not a record of Snakemake's"),
        ({"starttime": 1e300}, "not a record of Snakemake's"),
        ({"input_checksums": {"x": 5}}, "not a record of Snakemake's"),
        ({"input": ["/etc/passwd"]}, "'/etc/passwd'; allowed are paths within the project"),
        ({"input_checksums": {"../x": "sha256:0"}}, "'../x'; allowed are paths within"),
        ({"input": ["results/demo/report.html"]}, "was made from itself"),
    ],
)
def test_a_damaged_record(study, capsys, change, message):
    file = record("figure")
    if isinstance(change, dict):
        change = json.dumps({**json.loads(file.read_text()), **change})
    file.write_text(change)
    assert message in complaint("results/demo/report.html", capsys)

"""What a config says reaches the scripts whole, as data: quoted, and however long it is.

The commands are those that a dry run prints. Each is run for real by bash, but for `python`, in
whose place a recorder notes its arguments and the files that bash holds for it.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from .conftest import Project

ARGUMENT, ARGUMENTS = 128 * 2**10, 2 * 2**20  # bytes, of one argument and of all; Linux's limits
PRINTED = "Shell command: "
NASTY = """it's "$(touch PWNED)" `touch PWNED`;&|><\\*?~!#%s 銀"""
NASTY_URL = """https://127.0.0.1:1/'"$(touch<PWNED)`touch<PWNED`;&|>*?~!#%s"""
RECORDER = """
import json, os, sys
files = {word: open(word).read() for word in sys.argv[1:] if word.startswith("/dev/fd/")}
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps([sys.argv[1:], files]), file=file)
"""


class Call(NamedTuple):
    """What a script would have been given.

    Attributes:
        words: its arguments.
        files: contents of the files that bash holds, by their place among the arguments.
    """

    words: list[str]
    files: dict[str, str]

    def texts(self) -> Iterator[str]:
        """Yield each text that the script can read whole."""
        for word in self.words:
            yield word.partition("=")[2] if word.startswith("--") and "=" in word else word
        for content in self.files.values():
            yield from leaves(json.loads(content) if content[:1] == "{" else content.splitlines())


def leaves(value: Any) -> Iterator[str]:
    """Yield the texts in a value of JSON, its keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)


def commands(project: Project, *arguments: str) -> list[str]:
    """Return the commands of the jobs that a run would make."""
    printed = project.snakemake("--dry-run", "--printshellcmds", "--forceall", *arguments).stdout
    found = [line.removeprefix(PRINTED) for line in printed.splitlines() if PRINTED in line]
    found = [command for command in found if command != "None"]  # of rules that are targets alone
    assert found, printed[-3000:]
    return found


def calls(project: Project, found: list[str], folder: Path) -> list[Call]:
    """Run commands by bash, as Snakemake does; return what their scripts were given."""
    folder.mkdir()
    (folder / "recorder.py").write_text(RECORDER)
    python = folder / "python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' -S '{folder}/recorder.py' \"$@\"\n")
    python.chmod(0o755)
    script = folder / "commands.sh"  # not as an argument, for which they may be too long
    script.write_text("\n".join(["mkdir -p logs", *found]))
    environment = {
        **project.environment,
        "PATH": f"{folder}:{project.environment['PATH']}",
        "CALLS": str(folder / "calls"),
    }
    Project(project.folder, environment).run("bash", str(script), check=False)
    lines = (folder / "calls").read_text().splitlines()
    assert len(lines) == len(found)
    return [Call(*json.loads(line)) for line in lines]


def test_texts_are_data_and_never_commands(fresh, tmp_path):
    """Every text of a config that may hold a quote; names may not (test_faults.py)."""
    name = "x.1-Y_z"
    table, start = f"{NASTY}.csv", f"./{NASTY}.safetensors"
    for path in (table, start):
        (fresh.folder / path).touch()
    fresh.edit_config(
        {
            "study": name,
            "data": {
                "source": "galaxy10",
                "classes": [f"{number} {NASTY}" for number in range(10)],
                "galaxy10": {"mirrors": [NASTY_URL, NASTY_URL + "2"]},
                "split": {"protocol": "table", "table": table, "table_origin": f"of {NASTY}"},
            },
            "conditions": {name: {"kind": "rotation", "seed": 1}},
            "models": {name: {"architecture": "cnn"}},
            "train": {"models": [name, "D4"], "overrides": {name: {"start_from": start}}},
            "evaluate": {"conditions": ["clean", name], "reference": name},
            "track": {"mlflow": f"sqlite:///{NASTY}"},
            "notes": [NASTY, f"{{0}} ${{HOME}} \\n\n{NASTY}"],
        }
    )
    config = fresh.config()
    assert "PWNED" not in "".join(config["train"]["models"])
    nasty = {text for text in leaves(config) if "PWNED" in text}
    assert len(nasty) == 10 + 2 + 2 + 1 + 1 + 2
    found = commands(fresh, "all", "search", "images")
    made = calls(fresh, found, tmp_path / "bin")
    scripts = {Path(call.words[0]).name for call in made}
    assert len(scripts) >= 20, scripts
    given = {text for call in made for text in call.texts()}
    assert nasty <= given
    # Nothing of a text that is given whole elsewhere is a word, or a command, of its own.
    assert all(text in nasty for text in given if "PWNED" in text)
    assert not list(fresh.folder.rglob("PWNED"))
    for call in made:
        if "--class-names" in call.words:
            first = call.words.index("--class-names") + 1
            assert call.words[first : first + 10] == config["data"]["classes"]


def test_a_folder_of_images_is_data(fresh, tmp_path):
    folder = tmp_path / NASTY.replace("/", "")
    folder.mkdir()
    for number in range(24):
        Image.new("RGB", (33, 33), (number, 9, 9)).save(folder / f"{number}.png")
    rows = "".join(f"{number}.png,{number % 2}\n" for number in range(24))
    (folder / "manifest.csv").write_text("path,label\n" + rows)
    images = {"source": "images", "classes": ["a", "b"], "images": {"folder": str(folder)}}
    fresh.edit_config({"data": images})
    (command,) = commands(fresh, "data/images/raw.h5")
    fresh.environment["EQUIMORPH_REAL_DATA"] = str(folder)  # as the Snakefile does
    (call,) = calls(fresh, [command], tmp_path / "bin")
    assert f"--folder={folder}" in call.words
    assert not list(tmp_path.rglob("PWNED"))


@pytest.fixture
def large(fresh) -> Project:
    """A study of 3,000 trainings with long names, as far as files tell; they are empty."""
    models = [f"{n}-{'long-name' * 8}" for n in range(3)]
    networks = {
        name: {"architecture": "cnn", "width": 1.0 + n / 10} for n, name in enumerate(models)
    }
    train = {"models": models, "seeds": list(range(1000))}
    fresh.edit_config({"study": "s" * 80, "models": networks, "train": train})
    fresh.edit_config({"evaluate": {"reference": models[0]}, "notes": ["n" * 2000] * 100})
    results = fresh.folder / "results" / ("s" * 80)
    places = [f"{kind}/{model}" for kind in ("predictions", "equivariance") for model in models]
    places += [f"models/{model}/seed-{seed}" for model in models for seed in range(1000)]
    places += ["figures", "measures"]
    for place in places:
        (results / place).mkdir(parents=True)
    for model in models:
        for seed in range(1000):
            (results / f"predictions/{model}/seed-{seed}.npz").touch()
            (results / f"equivariance/{model}/seed-{seed}.json").touch()
            for name in ("run.json", "history.csv", "model.safetensors"):
                (results / f"models/{model}/seed-{seed}/{name}").touch()
    return fresh


def test_no_argument_grows_with_the_study(large, tmp_path):
    """3,000 predictions, and 200,000 characters of notes."""
    study = "s" * 80
    results = large.folder / "results" / study
    data = large.folder / "data/simulated"
    data.mkdir(parents=True)
    for name in ("verified.json", "audit.json", "split-clean.json", "split-clean.csv"):
        (data / name).touch()
    rules = ("measure", "compare", "plot_training_curves", "plot_equivariance", "report")
    others = ("accuracy_by_order.svg", "confusion.svg", "reliability.svg", "class_histogram.svg")
    for name in (*others, "sky_map.svg", "class_sheet.webp", "condition_sheet.webp"):
        (results / "figures" / name).touch()
    found = commands(large, f"results/{study}/report.html", "--allowed-rules", *rules)
    assert len(found) == 3 + 4
    assert sum(len(command) > ARGUMENT for command in found) >= 5
    made = {Path(call.words[0]).name: call for call in calls(large, found, tmp_path / "bin")}
    assert set(made) == {f"{rule}.py" for rule in rules}
    for call in made.values():
        assert max(len(word.encode()) for word in call.words) < 1000 < ARGUMENT
        assert sum(len(word.encode()) + 9 for word in call.words) < 10_000 < ARGUMENTS
    (stored,) = made["compare.py"].files.values()
    assert stored.splitlines() == [
        f"results/{study}/predictions/{model}/seed-{seed}.npz"
        for model in large.config()["train"]["models"]
        for seed in range(1000)
    ]
    runs, config = made["report.py"].files.values()
    assert len(runs.splitlines()) == 3000
    assert json.loads(config)["notes"] == ["n" * 2000] * 100

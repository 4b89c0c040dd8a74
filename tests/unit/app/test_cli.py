"""Wrong calls of the command end in one sentence that says what is allowed."""

import json
import os
import random
import subprocess
import sys

import pytest

from equimorph.app.cli import main, merged_study


def refused(capsys, arguments):
    """Return the one sentence that a wrong call ends in."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr()
    assert stopped.value.code in (1, 2) and said.out == ""
    assert said.err.startswith("error: ") and said.err.endswith("\n")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "the following arguments are required: COMMAND; `equimorph --help` tells more"),
        ("scroe x", "invalid choice: 'scroe' (choose from"),
        ("score", "the following arguments are required: folder"),
        ("score x --bootstrap 0", "--bootstrap: '0' is not allowed; allowed are whole numbers fr"),
        ("score x --bootstrap 2e3", "'2e3' is not allowed; allowed are whole numbers from 100 to"),
        ("score x --seed -1", "--seed: '-1' is not allowed; allowed are whole numbers from 0 to"),
        ("score x --pixel-scale nan", "'nan' is not allowed; allowed are numbers above 0, up to"),
        ("score x --pixel-scale 0", "'0' is not allowed; allowed are numbers above 0, up to 3600"),
        ("describe CNN --size 0", "'0' is not allowed; allowed are whole numbers from 33 to 1025"),
        ("describe CNN --size 100000", "'100000' is not allowed; allowed are whole numbers from 3"),
        ("describe CNN --preset imgaes", "--preset 'imgaes': allowed are cbfocal-ecnn, cnn-vs-vit"),
        ("describe C3", "group 'C3': allowed are C1, C2, C4"),
        ("describe C" + 5000 * "9", "allowed are a group's name, such as C4"),
        ("provenance nowhere", "nowhere: there is no such file"),
    ],
)
def test_wrong_calls_say_what_is_allowed(capsys, arguments, message):
    assert message in refused(capsys, arguments.split())


def test_an_empty_preset_is_none_of_them(capsys):
    assert "--preset '': allowed are cbfocal-ecnn" in refused(capsys, ["describe", "--preset", ""])


def test_presets_are_merged_as_make_does():
    one, both = (merged_study(names) for names in ("images", "images extensions/architectures"))
    assert set(both["train"]["models"]) > set(one["train"]["models"])
    assert both["network"] == one["network"]


def test_a_reader_that_has_had_enough_is_no_error():
    command = [sys.executable, "-m", "equimorph.app.cli", "describe"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_terminal_without_the_letters_shows_their_codes():
    done = subprocess.run(
        [sys.executable, "-m", "equimorph.app.cli", "describe", "Müller"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(rb"error: model 'M\xfcller': allowed are a group's name")


NUMBERS = [
    "0",
    "-1",
    "nan",
    "inf",
    "1e99",
    "",
    " ",
    "1_0",
    "٣",
    "0x10",
    30 * "9",
    5000 * "9",
    "2.5",
]
TEXTS = ["", " ", "/", "..", ".", "-", "--", "C*", "C4/../C4", "*", "[", "{x}", 300 * "x"]
TEXTS += ["$(touch x)", "\udcff", "ü", "None", "C3", "D0", "C4-flat", "/dev/null", "~", "@x"]
OPTIONS = {
    "score": ["--study", "--model", "--bootstrap", "--seed", "--pixel-scale", "--output"],
    "describe": ["--preset", "--size"],
    "provenance": ["--json", "--js"],
}


def random_call(draw, studies):
    """Return a wrong call: one that starts right, and goes wrong in one place or several."""
    command = draw.choice([*OPTIONS, "score", "scores", "", "-h5"])
    call = [command, draw.choice(TEXTS)] if draw.random() < 0.9 else [command]
    for _ in range(draw.randrange(4)):
        option = draw.choice([*OPTIONS.get(command, ["--x"]), "--y", draw.choice(TEXTS)])
        call += [option, draw.choice([*NUMBERS, *TEXTS, *studies])]
    if command == "score" and draw.random() < 0.5:
        call += ["--study", draw.choice(studies)]
    if command == "describe":  # what comes after is right
        call += ["--size", draw.choice(NUMBERS)]
    return call


@pytest.mark.parametrize("calls", [300, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_wrong_calls(calls, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = [None, [], {}, {"validation_choice": None}, {"validation_choice": {}}, 3, "x"]
    metrics += [
        {"validation_choice": {"best_equivariant": name}} for name in (None, "D4", "C4", [])
    ]
    studies = []
    for number, content in enumerate(metrics):
        file = tmp_path / f"study-{number}/models/C4/seed-0/model.safetensors"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"no weights")
        (file.parents[3] / "metrics.json").write_text(json.dumps(content))
        studies.append(f"study-{number}")
    draw = random.Random(calls)
    for _ in range(calls):
        refused(capsys, random_call(draw, studies))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(studies)

"""The equimorph command on a small study and a small folder of images."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from equimorph.app.cli import main
from equimorph.app.score import trained_models
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.study.models import resolve
from tests.unit.networks import checkpoint_metadata


@pytest.fixture
def study(tmp_path, network_defaults):
    folder = tmp_path / "study"
    specification = resolve("C4", {}, network_defaults)
    for seed in (0, 1):
        network = build(specification, 2)
        initialise(network, torch.Generator().manual_seed(seed))
        metadata = checkpoint_metadata(specification, ["round", "long"], seed=seed)
        path = folder / f"models/C4/seed-{seed}/model.safetensors"
        save_checkpoint(path, learned_state(network), metadata)
    choice = {"validation_choice": {"best_equivariant": "C4"}}
    (folder / "metrics.json").write_text(json.dumps(choice))
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    draw = np.random.default_rng(0)
    rows = ["path,label"]
    for number in range(6):
        pixels = draw.integers(0, 256, (70, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{number % 2}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_score_prints_and_writes_what_every_seed_says(study, images, tmp_path, capsys):
    output = tmp_path / "score.json"
    main(["score", str(images), "--study", str(study), "--output", str(output)])
    text = capsys.readouterr().out
    assert "C4, 2 seeds, 6 images" in text and "chance 0.50" in text
    result = json.loads(output.read_text())
    assert result["seeds"] == [0, 1] and np.sum(result["confusion"]) == 12
    assert result["accuracy"]["mean"] == pytest.approx(np.trace(result["confusion"]) / 12)


def test_score_does_not_depend_on_the_orientation(study, images, tmp_path):
    main(["score", str(images), "--study", str(study), "--output", str(tmp_path / "a.json")])
    for path in images.glob("*.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    main(["score", str(images), "--study", str(study), "--output", str(tmp_path / "b.json")])
    before, after = (json.loads((tmp_path / f"{x}.json").read_text()) for x in "ab")
    assert after["confusion"] == before["confusion"]
    assert after["brier"]["mean"] == pytest.approx(before["brier"]["mean"], abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "D16"], "no model 'D16'; there are C4"),
        (["--study", "nowhere"], "run the study first"),
    ],
)
def test_score_says_what_is_missing(study, images, arguments, message, capsys):
    with pytest.raises(SystemExit):
        main(["score", str(images), "--study", str(study), *arguments])
    assert message in capsys.readouterr().err


def test_help_names_the_commands(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "score" in capsys.readouterr().out


def refused(capsys, *arguments):
    """Return the one sentence that a wrong call ends in."""
    with pytest.raises(SystemExit) as stopped:
        main(["score", *map(str, arguments)])
    said = capsys.readouterr()
    assert stopped.value.code == 1 and said.out == ""
    *before, last = said.err.splitlines()  # the import of the images shows how it gets on
    assert last.startswith("error: ") and "error" not in "".join(before)
    return last


def test_a_model_is_named_not_matched(study, images, capsys):
    said = refused(capsys, images, "--study", study, "--model", "C*")
    assert "no model 'C*'; there are C4" in said


def test_only_folders_of_seeds_hold_weights(study):
    (study / "models/C4/seed-old").mkdir()
    (study / "models/C4/seed-old/model.safetensors").write_bytes(b"")
    assert list(trained_models(study)) == ["C4"]
    assert list(trained_models(study)["C4"]) == [0, 1]


def test_a_folder_is_no_output_and_nothing_is_computed(study, images, tmp_path, capsys):
    said = refused(capsys, images, "--study", study, "--output", tmp_path)
    assert f"--output {tmp_path}: this is a folder; allowed is a file's name" in said
    below_a_file = images / "0.png/score.json"
    said = refused(capsys, images, "--study", study, "--output", below_a_file)
    assert f"nothing can be written in {images / '0.png'}" in said


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"validation_choice": {"best_equivariant": None}}, "has no equivariant model to choose"),
        ({"validation_choice": {}}, "the key validation_choice.best_equivariant holds no name"),
        ({}, "the key validation_choice.best_equivariant holds no name"),
        ([1], "the key validation_choice.best_equivariant holds no name"),
    ],
)
def test_where_no_model_can_be_chosen_one_is_to_be_named(study, images, metrics, message, capsys):
    (study / "metrics.json").write_text(json.dumps(metrics))
    said = refused(capsys, images, "--study", study)
    assert message in said and "name one with --model: allowed are C4." in said


def test_damaged_weights_are_no_result(study, images, capsys):
    path = study / "models/C4/seed-1/model.safetensors"
    checkpoint = load_checkpoint(path)
    state = learned_state(checkpoint.network)
    next(iter(state.values())).fill_(float("nan"))
    save_checkpoint(path, state, checkpoint.metadata)
    said = refused(capsys, images, "--study", study)
    assert f"{path}: its weights are damaged (logits are not finite)" in said


def test_a_terminal_may_know_ascii_alone(study, images):
    done = subprocess.run(
        [sys.executable, "-m", "equimorph.app.cli", "score", str(images), "--study", str(study)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"C4, 2 seeds, 6 images\naccuracy " in done.stdout

"""The equimorph command on a small study and a small folder of images."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from equimorph.app.cli import main
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
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

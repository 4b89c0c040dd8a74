"""Equivariance of networks: exact where the pixels only move, and blind to nothing."""

import numpy as np
import pandas as pd
import pytest
import torch

from equimorph.errors import InputError
from equimorph.evaluation.equivariance import measure_equivariance, relative_error, rotate
from equimorph.io import read_json
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.head import circular_mask
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.study.models import resolve
from tests.scripts import load
from tests.unit.networks import checkpoint_metadata


def galaxies(size, count=6, seed=5):
    """Smooth random images: a network at random weights reacts to them by more than rounding."""
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed)) * 255
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 255)


def blob(size, angle):
    """A round spot 12 px to the right of the centre, rotated anticlockwise about it."""
    axis = torch.arange(size) - (size - 1) / 2
    turn = torch.deg2rad(torch.tensor(float(angle)))
    x, y = 12 * torch.cos(turn), -12 * torch.sin(turn)
    distance = (axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2
    return (200 * torch.exp(-distance / (2 * 2.5**2))).expand(1, 1, size, size)


def network(name, defaults):
    """A network at random weights that reacts to images: its statistics are those of a batch."""
    made = build(resolve(name, {}, {**defaults, "fields": [2, 4, 4, 4], "pool_after": [2, 4]}), 10)
    initialise(made, torch.Generator().manual_seed(3))
    for module in made.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        made.train()(galaxies(defaults["input_size"], 32, seed=6))
    return made


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3, 4])
def test_quarter_turns_only_move_pixels(turns):
    images = galaxies(17).to(torch.uint8)
    rotated = rotate(images, 90.0 * turns)
    assert rotated.dtype == torch.uint8
    assert torch.equal(rotated, images.rot90(turns, (2, 3)))


@pytest.mark.parametrize("angle", [15, 45, 100, 217.5, 350, -30])
def test_a_spot_goes_where_it_should(angle):
    inside = circular_mask(65) > 0
    error = (rotate(blob(65, 0), angle) - blob(65, angle))[..., inside].abs().max()
    assert error < 0.1  # of 200 pixel values


def test_rotation_stays_within_the_pixel_values():
    edges = torch.zeros(1, 3, 33, 33)
    edges[..., 12:20, 12:20] = 255
    rotated = rotate(edges, 30)
    assert rotated.min() == 0 and rotated.max() == 255


@pytest.mark.parametrize(("name", "reflects"), [("D4", True), ("C4", False)])
def test_equivariant_networks_err_between_quarter_turns_alone(name, reflects, network_defaults):
    made, images = network(name, network_defaults), galaxies(65)
    found = measure_equivariance(made, images, torch.zeros(6), [0, 90, 180, 270, 45])
    *exact, between = found["error"]
    assert exact[0] == 0
    assert max(exact) < 1e-4 < 1e-3 < between
    assert found["reflected"]["error"] < 1e-4 if reflects else found["reflected"]["error"] > 1e-2


def test_the_plain_network_errs_everywhere(network_defaults):
    made, images = network("CNN", network_defaults), galaxies(65)
    found = measure_equivariance(made, images, torch.zeros(6), [45, 90, 180])
    assert min(found["error"]) > 1e-2
    assert found["reflected"]["error"] > 1e-2


def test_error_is_measured_in_units_of_the_spread():
    generator = torch.Generator().manual_seed(0)
    original = torch.randn(8, 10, generator=generator, dtype=torch.float64)
    means = original.mean(0).expand(8, 10)
    changed = torch.stack([original, means, 2 * original - means])
    torch.testing.assert_close(
        relative_error(changed, original), torch.tensor([0, 1, 1], dtype=torch.float64)
    )
    noisy = original + torch.randn(1, 8, 10, generator=generator, dtype=torch.float64)
    error = relative_error(noisy, original)
    torch.testing.assert_close(relative_error(5 * noisy + 3, 5 * original + 3), error)
    unrelated = torch.randn(2, 4000, 10, generator=generator, dtype=torch.float64)
    assert relative_error(unrelated[:1], unrelated[1]).item() == pytest.approx(2**0.5, rel=0.02)


def test_images_without_spread_are_refused():
    with pytest.raises(InputError, match="two or more different images"):
        relative_error(torch.rand(1, 1, 10), torch.rand(1, 10))


def test_accuracy_follows_the_answers(network_defaults):
    made, images = network("D4", network_defaults), galaxies(65, 12)
    with torch.no_grad():
        labels = made.eval()(images).argmax(1)
    found = measure_equivariance(made, images, labels, [0, 90, 180])
    assert found["accuracy"] == [1, 1, 1] and found["reflected"]["accuracy"] == 1
    labels[:3] = (labels[:3] + 1) % 10
    found = measure_equivariance(made, images, labels, [0, 90])
    assert found["accuracy"] == [0.75, 0.75] and found["reflected"]["accuracy"] == 0.75


@pytest.fixture
def study(tmp_path, network_defaults):
    """What the script reads: two trained networks, images and a split with 10 test galaxies."""
    images = galaxies(70, 14).permute(0, 2, 3, 1).to(torch.uint8)
    np.save(tmp_path / "images.npy", images.numpy())
    split = pd.DataFrame(
        {"subset": ["train"] * 4 + ["test"] * 10, "index": range(14), "label": 2 * [*range(7)]}
    )
    split.to_csv(tmp_path / "split.csv", index=False)
    defaults = {**network_defaults, "fields": [2, 4, 4, 4], "pool_after": [2, 4]}
    for name in ("CNN", "D4"):
        specification, split = resolve(name, {}, defaults), "ab" * 32
        more = {"model": name, "seed": 3, "split_sha256": split}
        metadata = checkpoint_metadata(specification, "abcdefghij", **more)
        state = learned_state(network(name, network_defaults))
        save_checkpoint(tmp_path / f"{name}.safetensors", state, metadata)
    return tmp_path


def run_script(study, name, *more):
    arguments = [f"--{key}={study / file}" for key, file in (
        ("model", f"{name}.safetensors"), ("images", "images.npy"), ("split", "split.csv"),
        ("output", f"{name}.json"),
    )]  # fmt: skip
    load("workflow/scripts/evaluate/equivariance.py").main([*arguments, *more])
    return read_json(study / f"{name}.json")


def test_scripts_from_weights_to_figure(study):
    found = {name: run_script(study, name, "--step=45") for name in ("CNN", "D4")}
    for name, group in (("CNN", None), ("D4", "D4")):
        result = found[name]
        assert (result["model"], result["seed"], result["group"]) == (name, 3, group)
        assert result["split_sha256"] == "ab" * 32
        assert result["angles"] == [0, 45, 90, 135, 180, 225, 270, 315]
        assert result["images"] == 10
        assert result["error"][0] == 0
    assert max(found["D4"]["error"][::2]) < 1e-4 < min(found["CNN"]["error"][1:])
    assert found["D4"]["reflected"]["error"] < 1e-4 < found["CNN"]["reflected"]["error"]
    files = study / "files.txt"
    files.write_text("".join(f"{study}/{name}.json\n" for name in found))
    load("workflow/scripts/report/plot_equivariance.py").main(
        [f"--equivariance={files}", f"--output={study / 'f.svg'}"]
    )
    assert b"<svg" in (study / "f.svg").read_bytes()


def test_the_choice_of_images_follows_its_seed(study):
    few = [
        run_script(study, "CNN", "--step=180", "--at-most=4", f"--seed={seed}")
        for seed in (0, 0, 1)
    ]
    assert few[0] == few[1]
    assert few[0]["error"][1] != few[2]["error"][1]
    assert few[0]["images"] == 4


def test_useless_settings_are_refused(study):
    with pytest.raises(InputError, match="--step"):
        run_script(study, "CNN", "--step=0")
    with pytest.raises(InputError, match="--at-most"):
        run_script(study, "CNN", "--at-most=1")


def test_a_network_that_tells_no_images_apart_has_no_error():
    class Constant(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, images):
            return self.logits.expand(len(images), 2)

    found = measure_equivariance(
        Constant(), torch.rand(3, 3, 9, 9), torch.tensor([0, 1, 1]), [0, 90]
    )
    assert found["error"] == [None, None] and found["reflected"]["error"] is None
    assert found["accuracy"] == [pytest.approx(2 / 3)] * 2

"""A checkpoint says how its images were prepared, and every reader prepares them so or refuses."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from equimorph.app.score import score
from equimorph.data.brightest import remove_brightest
from equimorph.data.stars import remove_stars
from equimorph.data.tensors import network_input
from equimorph.errors import InputError
from equimorph.io import read_json
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.initialisation import initialise
from equimorph.models.prediction import predict_logits
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.study.models import resolve
from tests.jobs import TRUNK, Job, train_script
from tests.unit.data.test_stars import SCALE, galaxy, picture, star
from tests.unit.networks import checkpoint_metadata

SPECIFICATION = {**resolve("CNN", {}, TRUNK), "crop": 0.8}
PREPARED = {"side": 256, "pixel_scale": SCALE, "stars_removed": 3, "crop": 0.8, "input_size": 33}


def checkpoint(path, seed=0, **preparation):
    """Write a checkpoint whose network was trained on images without stars; return its path."""
    network = build(SPECIFICATION, 2)
    initialise(network, torch.Generator().manual_seed(seed))
    metadata = checkpoint_metadata(SPECIFICATION, ["round", "long"], seed=seed)
    metadata["preparation"] = {**PREPARED, **preparation}
    save_checkpoint(path, learned_state(network), metadata)
    return path


@pytest.fixture(scope="module")
def starry():
    """Two images with stars, and what is left without them."""
    stars = [star(40, 40, 60), star(60, 200, 120), star(210, 128, 40)]
    images = np.stack([picture(galaxy(), *stars, seed=seed) for seed in (0, 1)])
    bare = np.stack([remove_stars(i, SCALE, np.random.default_rng(9)) for i in images])
    assert (images != bare).any(axis=3).sum() > 100
    return images, bare


def test_training_notes_how_its_images_were_prepared(tmp_path):
    job = Job(tmp_path, epochs=1)
    job.options["stars-removed"] = 5
    train_script.main(job.arguments())
    expected = {
        "side": 33,
        "pixel_scale": 2.0,
        "stars_removed": 5,
        "crop": 1.0,
        "input_size": 33,
    }
    trained = load_checkpoint(job.model)
    assert trained.metadata["preparation"] == expected == read_json(job.run)["preparation"]
    assert trained.preparation.field == 66.0


def test_other_images_are_another_training(tmp_path):
    """A state of a training on images with their stars must not go on without them."""
    identities = set()
    for number, (stars, scale) in enumerate([(None, 2.0), (5, 2.0), (6, 2.0), (5, 1.0)]):
        job = Job(tmp_path / str(number), epochs=1)
        job.catalogue.write_text("pxscale\n" + 104 * f"{scale}\n")
        if stars is not None:
            job.options["stars-removed"] = stars
        train_script.main(job.arguments())
        identities.add(read_json(job.run)["job_sha256"])
    assert len(identities) == 4


def test_stars_go_where_they_went_in_training(tmp_path, starry):
    images, bare = starry
    trained = load_checkpoint(checkpoint(tmp_path / "m.safetensors"))
    (pixels,) = trained.prepare(images, SCALE)
    (same_field,) = trained.prepare(images)
    assert torch.equal(pixels, same_field)
    # The noise in the stars' places is drawn anew; elsewhere nothing differs.
    with_stars, without = (network_input(i, 33, 0.8).int() for i in (images, bare))
    assert (with_stars - without).abs().max() > 15
    assert (pixels.int() - without).abs().max() <= 3
    # Each image's noise is its own, whatever stands beside it.
    (alone,) = trained.prepare(images[1:], SCALE)
    assert torch.equal(alone, pixels[1:])

    (done,) = trained.prepare(bare, stars_removed=3)
    assert torch.equal(done.int(), without)
    untouched = load_checkpoint(checkpoint(tmp_path / "with.safetensors", stars_removed=None))
    (kept,) = untouched.prepare(images)
    assert torch.equal(kept.int(), with_stars)


@pytest.mark.parametrize(("trained", "message"), [(None, "with their stars"), (4, "the seed 4")])
def test_stars_removed_otherwise_are_refused(tmp_path, starry, trained, message):
    path = checkpoint(tmp_path / "m.safetensors", stars_removed=trained)
    with pytest.raises(InputError, match=rf"without field stars \(seed 3\): .*{message}; allowed"):
        load_checkpoint(path).prepare(starry[1], stars_removed=3)


def test_a_larger_field_is_cut_and_a_smaller_one_refused(tmp_path, starry):
    images = starry[0]
    trained = load_checkpoint(checkpoint(tmp_path / "m.safetensors", stars_removed=None))
    (expected,) = trained.prepare(images)
    (wide,) = trained.prepare(np.pad(images, ((0, 0), (50, 50), (50, 50), (0, 0))), SCALE)
    assert torch.equal(wide, expected)
    coarse = images[:, ::2, ::2]
    (found,) = trained.prepare(coarse, 2 * SCALE)
    assert torch.equal(found, network_input(coarse, 33, 0.8))
    with pytest.raises(InputError, match=r"images of 52.4 arcsec \(200 px of 0.262\): .* 67.1"):
        trained.prepare(images[:, 28:228, 28:228], SCALE)


def test_unknown_scales_are_told(tmp_path, starry):
    path = checkpoint(tmp_path / "m.safetensors", pixel_scale=None, stars_removed=None)
    unknown = load_checkpoint(path)
    assert unknown.prepare(starry[0])[0].shape == (2, 3, 33, 33)
    with pytest.raises(InputError, match="that of the training images is not known"):
        unknown.prepare(starry[0], SCALE)
    trained = load_checkpoint(checkpoint(tmp_path / "n.safetensors"))
    for scale in (0, -1.0, np.inf, np.nan):
        with pytest.raises(InputError, match="allowed are numbers above 0"):
            trained.prepare(starry[0], scale)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 9, 9, 3)), np.zeros((2, 9, 8, 3), np.uint8), np.zeros((9, 9), np.uint8)]
)
def test_other_arrays_are_refused(tmp_path, images):
    with pytest.raises(InputError, match=r"allowed is uint8 \(N, W, W, 3\)"):
        load_checkpoint(checkpoint(tmp_path / "m.safetensors")).prepare(images)


def folder_of(images, place):
    place.mkdir()
    rows = ["path,label"]
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(place / f"{number}.png")
        rows.append(f"{number}.png,{number % 2}")
    (place / "manifest.csv").write_text("\n".join(rows) + "\n")
    return place


def test_score_feeds_what_training_fed(tmp_path, starry):
    """With the stars that were removed in training, the logits would be others."""
    folder = folder_of(starry[0], tmp_path / "folder")
    files = {seed: checkpoint(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1)}
    trained = [load_checkpoint(path) for path in files.values()]
    result = score(files, folder, 100, 0, SCALE)
    logits = [predict_logits(t.network, *t.prepare(starry[0], SCALE)) for t in trained]
    squares = [(x.softmax(1) - torch.eye(2)).square().sum(1).mean().item() for x in logits]
    assert result["brier"]["mean"] == pytest.approx(np.mean(squares), rel=1e-5)
    with pytest.raises(InputError, match="was trained on 67.1 arcsec"):
        score(files, folder, 100, 0, SCALE / 2)


def test_seeds_that_are_prepared_differently_are_no_seeds_of_one_training(tmp_path, starry):
    folder = folder_of(starry[0], tmp_path / "folder")
    files = {
        0: checkpoint(tmp_path / "0.safetensors"),
        1: checkpoint(tmp_path / "1.safetensors", 1, stars_removed=None),
    }
    with pytest.raises(InputError, match="1.safetensors: its network, classes or preparation"):
        score(files, folder, 100, 0)


def test_earlier_checkpoints_are_refused(tmp_path):
    path = tmp_path / "old.safetensors"
    save_file({"packed": torch.zeros(3)}, path, {"equimorph-3": json.dumps({})})
    with pytest.raises(InputError, match=r"earlier version \(equimorph-3\).*prepared; .*again"):
        load_checkpoint(path)


def test_images_are_prepared_as_in_training_without_smoothing(tmp_path, monkeypatch):
    job, seen = Job(tmp_path, "CNN", epochs=1), []
    specification = json.loads(job.options["specification"])
    job.options["specification"] = json.dumps(
        {**specification, "antialias": False, "normalise": "unit", "crop": 0.8, "input_size": 17}
    )
    train = train_script.train

    def watched(network, training, *rest):
        seen.append(training.images)
        return train(network, training, *rest)

    monkeypatch.setattr(train_script, "train", watched)
    train_script.main(job.arguments())
    trained = load_checkpoint(job.model)
    stored = np.load(job.images)
    expected = network_input(stored, 17, 0.8, antialias=False)
    assert not torch.equal(expected, network_input(stored, 17, 0.8))
    assert torch.equal(seen[0], expected[40:])
    assert torch.equal(trained.prepare(stored)[0], expected)
    assert trained.metadata["preparation"]["antialias"] is False
    assert float(trained.network.normalise(torch.full((1, 3, 17, 17), 255.0)).max()) == 1


def test_the_star_filter_of_the_training_is_that_of_every_reader(tmp_path, starry):
    images, bare = starry
    path = checkpoint(tmp_path / "m.safetensors", star_filter="brightest")
    trained = load_checkpoint(path)
    expected = np.stack([remove_brightest(image) for image in images])
    assert torch.equal(trained.prepare(images, SCALE)[0], network_input(expected, 33, 0.8))
    (done,) = trained.prepare(expected, stars_removed=3, star_filter="brightest")
    assert torch.equal(done, network_input(expected, 33, 0.8))
    with pytest.raises(InputError, match=r"\(seed 3\): .* with the seed 3, filter brightest"):
        trained.prepare(bare, stars_removed=3)


def test_training_notes_its_star_filter(tmp_path):
    job = Job(tmp_path, epochs=1)
    job.options.update({"stars-removed": 5, "star-filter": "brightest"})
    train_script.main(job.arguments())
    assert load_checkpoint(job.model).preparation.star_filter == "brightest"

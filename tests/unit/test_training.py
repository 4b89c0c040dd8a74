"""Augmentation, the training loop, and resuming it."""

import pytest
import torch

from equimorph.errors import TrainingError
from equimorph.models.checkpoint import learned_state
from equimorph.models.registry import build, initialise
from equimorph.models.specification import resolve
from equimorph.training.augment import Augmentation, augment
from equimorph.training.loop import Labelled, Recipe, predict_logits, train
from equimorph.training.resume import load_state, save_state

STILL = Augmentation(rotation=0, flip=0, scale=1, shift=0, brightness=0)
ANY = Augmentation(rotation=180, flip=0.5, scale=1.2, shift=0.05, brightness=0.1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(count, seed, size=33):
    """Two classes: a round blob and an elongated one, at any angle."""
    draw = generator(seed)
    labels = torch.arange(count) % 2
    angle = torch.rand(count, 1, 1, generator=draw) * torch.pi
    axis = torch.linspace(-3, 3, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    u, v = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    narrow = torch.where(labels == 1, 3.0, 1.0)[:, None, None]
    images = 200 * torch.exp(-(u**2) - (narrow * v) ** 2) + 10
    noise = 5 * torch.randn(count, size, size, generator=draw)
    grey = (images + noise).clamp(0, 255).to(torch.uint8)
    return Labelled(grey[:, None].expand(-1, 3, -1, -1).contiguous(), labels)


def recipe(**changes):
    settings = {
        "epochs": 5,
        "batch_size": 16,
        "learning_rate": 0.01,
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "patience": 5,
        "precision": "float32",
        "augmentation": ANY,
    }
    return Recipe(**{**settings, **changes})


def network(name="C4", seed=0):
    specification = {
        "input_size": 33,
        "crop": 1.0,
        "fields": [2, 4, 6],
        "pool_after": [2, 3],
        "kernel_size": 3,
        "stem_kernel_size": 3,
        "stem_stride": 2,
        "width": 1.0,
        "match": "fields",
        "features": 4,
        "head": "pool",
    }
    model = build(resolve(name, {"CNN": {"architecture": "cnn"}}, specification), 2)
    initialise(model, generator(seed))
    return model


def test_no_augmentation_is_the_identity():
    images = blobs(4, 0).images
    still = augment(images, STILL, generator())
    torch.testing.assert_close(still, images.float(), rtol=0, atol=1e-3)


def test_augmentation_is_seeded_and_differs_between_images():
    images = blobs(1, 0).images.expand(4, -1, -1, -1)
    one, again = augment(images, ANY, generator(3)), augment(images, ANY, generator(3))
    assert torch.equal(one, again)
    assert not torch.allclose(one[0], one[1], atol=1)
    assert not torch.equal(one, augment(images, ANY, generator(4)))


def test_a_reflection_is_exact():
    images = blobs(3, 0).images
    flipped = augment(images, Augmentation(0, 1.0, 1, 0, 0), generator())
    torch.testing.assert_close(flipped, images.flip(3).float(), rtol=0, atol=1e-3)


def test_rotation_keeps_the_flux_of_a_centred_source():
    images = blobs(8, 1).images
    turned = augment(images, Augmentation(180, 0.5, 1, 0, 0), generator())
    torch.testing.assert_close(
        turned.mean((1, 2, 3)), images.float().mean((1, 2, 3)), rtol=0.03, atol=0
    )


@pytest.mark.parametrize("name", ["C4", "CNN"])
def test_training_learns(name):
    progress = train(network(name), blobs(160, 0), blobs(40, 1), recipe(epochs=8, patience=8), 0)
    assert progress.history[progress.best_epoch - 1]["validation_accuracy"] >= 0.9
    assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]


def test_best_state_is_that_of_the_best_epoch():
    model, validation = network(), blobs(40, 1)
    progress = train(model, blobs(96, 0), validation, recipe(), 0)
    losses = [row["validation_loss"] for row in progress.history]
    assert progress.best_epoch == losses.index(min(losses)) + 1
    from equimorph.models.checkpoint import load_learned_state

    load_learned_state(model, progress.best_state)
    accuracy = (predict_logits(model, validation.images).argmax(1) == validation.labels).double()
    expected = progress.history[progress.best_epoch - 1]["validation_accuracy"]
    assert accuracy.mean().item() == pytest.approx(expected)


def test_bfloat16_trains():
    progress = train(network(), blobs(64, 0), blobs(20, 1), recipe(precision="bfloat16"), 0)
    assert progress.history[-1]["train_loss"] < progress.history[0]["train_loss"]


def test_same_seed_same_weights_other_seed_others():
    runs = [train(network(), blobs(64, 0), blobs(20, 1), recipe(), seed) for seed in (1, 1, 2)]
    weights = [run.best_state["classifier.0.weight"] for run in runs]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_early_stopping():
    # Labels without any relation to the images: the validation loss soon stops falling.
    training, validation = blobs(64, 0), blobs(40, 1)
    training.labels[:] = torch.randint(0, 2, (64,), generator=generator(9))
    progress = train(network(), training, validation, recipe(epochs=40, patience=2), 0)
    assert len(progress.history) == progress.best_epoch + 2 < 40


def test_a_loss_that_is_not_finite_stops_the_job():
    with pytest.raises(TrainingError, match=r"epoch 1, learning rate .*: the train loss is nan"):
        model = network()
        with torch.no_grad():
            model.classifier[0].weight.fill_(float("nan"))
        train(model, blobs(64, 0), blobs(20, 1), recipe(), 0)


def test_a_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(TrainingError, match="batch_size 16: larger than the training set"):
        train(network(), blobs(8, 0), blobs(8, 1), recipe(), 0)


@pytest.mark.parametrize("name", ["D4", "CNN"])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_a_resumed_run_ends_bit_equal(name, stop_after, tmp_path):
    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == stop_after + 1:
            raise Killed

    training, validation = blobs(64, 0), blobs(20, 1)
    whole = network(name)
    expected = train(whole, training, validation, recipe(), 7)

    resume = (tmp_path / "state.pt", "digest")
    with pytest.raises(Killed):
        train(network(name), training, validation, recipe(), 7, resume, kill)
    second = network(name, seed=99)  # its own weights must not matter
    resumed = train(second, training, validation, recipe(), 7, resume)
    for name_, tensor in learned_state(whole).items():
        assert torch.equal(tensor, learned_state(second)[name_]), name_
    for name_, tensor in expected.best_state.items():
        assert torch.equal(tensor, resumed.best_state[name_]), name_
    timeless = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in run.history]
        for run in (expected, resumed)
    ]
    assert timeless[0] == timeless[1]


def test_resume_files_of_other_jobs_and_damaged_ones_are_ignored(tmp_path):
    path = tmp_path / "state.pt"
    assert load_state(path, "a") is None
    save_state(path, "a", {"x": torch.ones(2)})
    assert torch.equal(load_state(path, "a")["x"], torch.ones(2))
    with pytest.warns(UserWarning, match="of another config"):
        assert load_state(path, "b") is None
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="not readable, training starts anew"):
        assert load_state(path, "a") is None
    path.write_bytes(b"")
    with pytest.warns(UserWarning, match="not readable"):
        assert load_state(path, "a") is None

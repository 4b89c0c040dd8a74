"""What is measured on an image is the same number in training, at test, and in an export."""

import numpy as np
import pytest
import torch
from torch import nn

from equimorph.data.tensors import network_input
from equimorph.evaluation.equivariance import measure_equivariance
from equimorph.groups.names import parse_group
from equimorph.models.architectures.cbfocal_cnn import CBFocalCNN
from equimorph.models.asymmetry import asymmetry
from equimorph.models.counting import count_macs, peak_activation_memory
from equimorph.models.export import export
from equimorph.models.initialisation import initialise
from equimorph.models.inputs import black_inputs, measured
from equimorph.models.orbit import OrbitAverage
from equimorph.models.prediction import predict_logits
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.search.trial import Trainer
from equimorph.study.models import resolve
from equimorph.study.search_space import single_study, training_part
from equimorph.study.yaml_files import read_yaml
from tests.jobs import RECIPE, TRUNK, Job, train_script


def whole_images(count=4, size=41):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def small():
    network = CBFocalCNN(input_size=33, classes=2)
    initialise(network, torch.Generator().manual_seed(0))
    return network.eval()


def test_networks_of_pixels_alone_take_nothing_else():
    network = build(resolve("CNN", {}, TRUNK), 2)
    assert measured(network, whole_images()) == ()
    (images,) = black_inputs(network, 3, 33)
    assert images.shape == (3, 3, 33, 33)


def seen_by(calls):
    """Note the second argument of each call of a network, and whether it trains."""

    def note(module, inputs):
        calls.append((module.training, inputs[1].flatten().tolist()))

    return note


def test_the_index_is_that_of_the_stored_image_in_training_and_at_test(tmp_path, monkeypatch):
    job = Job(tmp_path, "CBFocal-CNN", epochs=1, crop=0.8)
    calls = []

    def built(*arguments):
        network = build(*arguments)
        network.register_forward_pre_hook(seen_by(calls))
        return network

    monkeypatch.setattr(train_script, "build", built)
    train_script.main(job.arguments())
    stored = np.load(job.images)
    index = asymmetry(stored)[:, 0].tolist()
    trained = [value for training, values in calls if training for value in values]
    assert sorted(trained) == sorted(index[40:])  # 64 images in batches of 16, each once
    assert index[20:40] in [values for training, values in calls if not training]

    checkpoint = load_checkpoint(job.model)
    pixels, beside = checkpoint.prepare(stored[:20])
    assert beside[:, 0].tolist() == index[:20]
    assert torch.equal(pixels, network_input(stored[:20], 33))
    assert predict_logits(checkpoint.network, pixels, beside).shape == (20, 2)


def test_training_may_see_another_part_of_the_images_than_validation(tmp_path, root, monkeypatch):
    job, seen = Job(tmp_path, "CNN", epochs=1, crop=0.5), []
    train = train_script.train

    def watched(network, training, validation, *rest):
        seen.extend([training.images, validation.images])
        return train(network, training, validation, *rest)

    monkeypatch.setattr(train_script, "train", watched)
    train_script.main(job.arguments())
    stored = np.load(job.images)
    config = read_yaml(root / "config.yaml")
    recipe = {**config["train"], **RECIPE, "models": ["CNN"], "crop": 0.5, "epochs": 1}
    single = single_study({**config, "network": TRUNK, "train": recipe})
    trainer = Trainer(job.images, job.split, training_part(single), [0], 2)
    trainer.run({}, lambda *row: True)
    seen += [subset.images for subset in trainer.subsets.values()]
    for training, validation in (seen[:2], seen[2:]):
        assert torch.equal(training, network_input(stored[40:], 33, 0.5))
        assert torch.equal(validation, network_input(stored[20:40], 33))


def test_all_copies_of_an_orbit_keep_the_index_of_the_image():
    network, calls = small(), []
    network.register_forward_pre_hook(seen_by(calls))
    average = OrbitAverage(network, parse_group("D4")).eval()
    images = whole_images()
    beside = measured(average, images)
    logits = predict_logits(average, network_input(images, 33), *beside)
    assert logits.shape == (4, 2)
    assert [values for _, values in calls] == 8 * [asymmetry(images)[:, 0].tolist()]


def test_the_audit_turns_the_pixels_alone():
    network, calls = small(), []
    network.register_forward_pre_hook(seen_by(calls))
    images = whole_images()
    pixels, beside = network_input(images, 33), measured(network, images)
    found = measure_equivariance(network, pixels, torch.tensor([0, 1, 0, 1]), [0, 90], beside)
    assert found["error"][0] == 0 < found["error"][1]
    assert [values for _, values in calls] == len(calls) * [asymmetry(images)[:, 0].tolist()]


@pytest.mark.parametrize("name", ["CBFocal-CNN", "CBFocal-ECNN"])
def test_an_export_takes_the_same(name):
    network = build(resolve(name, {}, TRUNK), 2)
    initialise(network, torch.Generator().manual_seed(0))
    exported, images = export(network), whole_images()
    assert exported.measure is network.measure is asymmetry
    inputs = (network_input(images, 33), *measured(exported, images))
    expected = predict_logits(network, *inputs)
    torch.testing.assert_close(predict_logits(exported, *inputs), expected, rtol=0, atol=1e-5)


def test_costs_are_counted_with_it():
    class Plain(nn.Module):
        """The blocks and the classifier alone, the index left out."""

        def __init__(self):
            super().__init__()
            self.network = small()

        def forward(self, images):
            """Map (B, 3, 33, 33) to (B, 2)."""
            return self.network(images, images.new_zeros(len(images), 1))

    assert count_macs(small(), 33) == count_macs(Plain(), 33)
    assert peak_activation_memory(small(), 33, 2, training=True) > 0

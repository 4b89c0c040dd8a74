"""Where a training starts: from another network's weights, with some of the labels."""

import numpy as np
import pytest
import torch

from equimorph.errors import InputError
from equimorph.models.checkpoint import learned_state
from equimorph.models.initialisation import initialise
from equimorph.models.registry import build
from equimorph.models.trained import Checkpoint
from equimorph.seeds import LABELS, stream
from equimorph.study.models import resolve
from equimorph.training.start import some_labels, start_from

TEN = [f"class {number}" for number in range(10)]


def network(specification, classes, seed):
    built = build(specification, classes)
    initialise(built, torch.Generator().manual_seed(seed))
    return built


@pytest.fixture
def specification(network_defaults):
    small = {"fields": [2, 3], "pool_after": [1], "input_size": 33, "match": "fields"}
    return resolve("C4", {}, {**network_defaults, **small})


def checkpoint(specification, classes=TEN):
    trained = network(specification, len(classes), seed=1)
    for tensor in learned_state(trained).values():
        if tensor.is_floating_point():
            tensor.add_(0.5)
    return Checkpoint(trained, None, {"specification": specification, "classes": classes})


def test_equal_classes_keep_every_weight(specification):
    trained, fresh = checkpoint(specification), network(specification, 10, seed=2)
    assert start_from(fresh, specification, TEN, trained) == "kept"
    state = learned_state(trained.network)
    assert all(torch.equal(value, state[name]) for name, value in learned_state(fresh).items())


@pytest.mark.parametrize("classes", [TEN[:3], TEN[::-1]])
def test_other_classes_draw_the_logits_anew(specification, classes):
    trained, fresh = checkpoint(specification), network(specification, len(classes), seed=2)
    before = {name: value.clone() for name, value in learned_state(fresh).items()}
    assert start_from(fresh, specification, classes, trained) == "drawn anew"
    after, state = learned_state(fresh), learned_state(trained.network)
    head = {name for name in after if torch.equal(after[name], before[name])}
    assert {name for name in head if not name.endswith("num_batches_tracked")} == {
        "classifier.6.weight",
        "classifier.6.bias",
    }
    assert all(torch.equal(after[name], state[name]) for name in after.keys() - head)


def test_other_images_are_no_other_network(specification):
    trained = checkpoint({**specification, "crop": 0.5, "mask": "hard", "input_size": 65})
    assert start_from(network(specification, 10, 2), specification, TEN, trained) == "kept"


def test_another_network_is_refused(specification):
    trained = checkpoint({**specification, "fields": [2, 4]})
    with pytest.raises(InputError, match=r"has fields \[2, 4\], this one \[2, 3\]"):
        start_from(network(specification, 10, 2), specification, TEN, trained)


LABEL = np.repeat([0, 1, 2], [60, 30, 10])


@pytest.mark.parametrize(
    ("number", "counts"), [(3, [1, 1, 1]), (10, [5, 3, 2]), (100, [60, 30, 10])]
)
def test_some_labels_are_of_all_classes_in_proportion(number, counts):
    chosen = some_labels(LABEL, number, stream(0, LABELS))
    assert np.bincount(LABEL[chosen]).tolist() == counts
    assert len(set(chosen.tolist())) == number


def test_fewer_labels_are_some_of_more():
    few, many = (set(some_labels(LABEL, n, stream(4, LABELS)).tolist()) for n in (20, 50))
    assert few < many
    assert few != set(some_labels(LABEL, 20, stream(5, LABELS)).tolist())


@pytest.mark.parametrize("number", [2, 101])
def test_too_few_or_too_many_labels_are_refused(number):
    with pytest.raises(InputError, match="allowed are 3, one of each class, to the 100 training"):
        some_labels(LABEL, number, stream(0, LABELS))

"""The running average of the weights."""

import pytest
import torch
from torch import nn

from equimorph.models.checkpoint import learned_state, load_learned_state
from equimorph.models.prediction import predict_logits
from equimorph.training.averaging import Average
from equimorph.training.loop import train
from tests.jobs import blobs
from tests.unit.training.trainings import equal, generator, network, recipe


def test_the_average_is_that_of_weights_and_running_statistics():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    average = Average(model, 0.5)
    expected = {name: tensor.clone() for name, tensor in learned_state(model).items()}
    for step in range(12):
        with torch.no_grad():
            model[0].weight.normal_(generator=generator(step))
        model(torch.rand(4, 3, 5, 5, generator=generator(step)))
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        for name, value in learned_state(model).items():
            mixed = decay * expected[name] + (1 - decay) * value
            expected[name] = mixed if value.is_floating_point() else value.clone()
    present = {name: tensor.clone() for name, tensor in learned_state(model).items()}
    with average.in_place():
        for name, value in learned_state(model).items():
            torch.testing.assert_close(value, expected[name])
        assert not torch.equal(model[1].running_mean, present["1.running_mean"])
    assert equal(learned_state(model), present)


@pytest.mark.parametrize("name", ["D4", "CNN"])
def test_the_average_is_validated_and_kept_and_the_weights_train_on(name):
    training, validation, plain, averaged = blobs(96, 0), blobs(40, 1), network(name), network(name)
    train(plain, training, validation, recipe(epochs=3), 0)
    progress = train(averaged, training, validation, recipe(epochs=3, ema=0.95), 0)
    assert equal(learned_state(plain), learned_state(averaged))  # steps know nothing of the average
    best = progress.history[progress.best_epoch - 1]
    load_learned_state(averaged, progress.best_state)
    loss = nn.functional.cross_entropy(
        predict_logits(averaged, validation.images), validation.labels
    )
    assert loss.item() == pytest.approx(best["validation_loss"], rel=1e-5)
    assert not equal(learned_state(plain), progress.best_state)

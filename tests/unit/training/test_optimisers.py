"""Optimisers and schedules, each on a real small problem."""

import pytest
import torch
from torch import nn, optim

from equimorph.training.optimisers import (
    OPTIMISERS,
    SCHEDULES,
    Schedule,
    Scheduler,
    make_optimiser,
)

RATE = 0.05


def problem():
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(64, 4, generator=draw)
    layer = nn.Linear(4, 1)
    nn.init.normal_(layer.weight, generator=draw)
    nn.init.zeros_(layer.bias)
    return layer, inputs, inputs @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]]) + 1


def error(layer, inputs, outputs):
    return (layer(inputs) - outputs).square().mean()


def descend(optimiser, layer, inputs, outputs, steps=200):
    for _ in range(steps):
        optimiser.zero_grad()
        error(layer, inputs, outputs).backward()
        optimiser.step()
    return error(layer, inputs, outputs).item()


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_each_optimiser_is_torchs_and_descends(kind):
    layer, inputs, outputs = problem()
    before = error(layer, inputs, outputs).item()
    optimiser = make_optimiser(kind, layer.parameters(), RATE, 0.001, 0.8)
    names = {"adamw": "AdamW", "adam": "Adam", "radam": "RAdam", "sgd": "SGD"}
    assert type(optimiser) is getattr(optim, names[kind])
    assert optimiser.param_groups[0]["lr"] == RATE
    assert optimiser.param_groups[0]["weight_decay"] == 0.001
    assert optimiser.param_groups[0].get("momentum", 0.8) == 0.8
    assert descend(optimiser, layer, inputs, outputs) < 0.05 * before


def rates(schedule, epochs, steps=3, validated=None, kind="sgd"):
    """Return the rate in each epoch, as its last step has it, and the scheduler."""
    layer = nn.Linear(1, 1)
    optimiser = make_optimiser(kind, layer.parameters(), RATE, 0, 0.9)
    scheduler = Scheduler(optimiser, schedule, steps, epochs)
    seen = []
    for epoch in range(epochs):
        for _ in range(steps):
            used = scheduler.rate
            optimiser.step()
            scheduler.after_step()
        seen.append(used)
        scheduler.after_epoch(validated[epoch] if validated else {})
    return seen, scheduler


def test_constant():
    assert rates(Schedule("constant"), 5)[0] == [RATE] * 5


def test_multi_step():
    seen, _ = rates(Schedule("multi_step", milestones=(2, 4), gamma=0.1), 6)
    expected = [RATE, RATE, RATE / 10, RATE / 10, RATE / 100, RATE / 100]
    assert seen == pytest.approx(expected)


def test_cosine_restarts_with_longer_periods():
    seen, _ = rates(Schedule("cosine", T_0=2, T_mult=2, eta_min=0.01), 14)
    middle = (RATE + 0.01) / 2
    assert [epoch for epoch, rate in enumerate(seen) if rate == pytest.approx(RATE)] == [0, 2, 6]
    assert seen[1] == pytest.approx(middle) and seen[4] == pytest.approx(middle)
    assert seen[10] == pytest.approx(middle) and min(seen) > 0.01


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_plateau_waits_for_its_own_value(monitor):
    # Improves for three epochs, then stands still; the other value always improves.
    still, moving = [0.9, 0.6, 0.3] + [0.3] * 6, [0.9 - 0.1 * epoch for epoch in range(9)]
    if monitor == "loss":
        losses, accuracies = still, [1 - value for value in moving]
    else:
        losses, accuracies = moving, [1 - value for value in still]
    validated = [
        {"validation_loss": loss, "validation_accuracy": accuracy}
        for loss, accuracy in zip(losses, accuracies, strict=True)
    ]
    schedule = Schedule("plateau", monitor=monitor, patience=1, factor=0.5, min_lr=0.02)
    seen, _ = rates(schedule, 9, validated=validated)
    # Epochs 3 and 4 are no better; the second of them is one too many.
    assert seen == pytest.approx([RATE] * 5 + [RATE / 2] * 2 + [0.02] * 2)


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_one_cycle_rises_and_falls_and_leaves_sgds_momentum(kind):
    seen, scheduler = rates(Schedule(), 20, kind=kind)
    peak = seen.index(max(seen))
    assert max(seen) == pytest.approx(RATE, rel=0.05) and 4 <= peak <= 7
    assert seen[0] < RATE / 5 and seen[-1] < RATE / 1000
    group = scheduler.optimiser.param_groups[0]
    momentum = group["momentum"] if kind == "sgd" else group["betas"][0]
    assert momentum == pytest.approx(0.9 if kind == "sgd" else 0.95, abs=1e-3)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_schedule_goes_on_from_its_state(kind, tmp_path):
    schedule = Schedule(kind, milestones=(2, 5), gamma=0.5, patience=0, factor=0.5, T_0=2, T_mult=2)
    validated = [{"validation_loss": value} for value in (3, 2, 2, 2, 1, 1, 1, 1)]

    def run(epochs, optimiser, scheduler):
        seen = []
        for epoch in epochs:
            for _ in range(3):
                seen.append(scheduler.rate)
                optimiser.step()
                scheduler.after_step()
            scheduler.after_epoch(validated[epoch])
        return seen

    def start():
        optimiser = make_optimiser("adamw", nn.Linear(1, 1).parameters(), RATE, 0, 0)
        return optimiser, Scheduler(optimiser, schedule, 3, 8)

    whole = run(range(8), *start())
    optimiser, scheduler = start()
    head = run(range(4), optimiser, scheduler)
    torch.save((optimiser.state_dict(), scheduler.state_dict()), tmp_path / "state.pt")
    states = torch.load(tmp_path / "state.pt", weights_only=True)
    optimiser, scheduler = start()
    optimiser.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    assert head + run(range(4, 8), optimiser, scheduler) == whole
    assert len(set(whole)) > 1 or kind == "constant"

"""From predictions to a study's metrics, and the choice of the best model."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.evaluation.predictions import Predictions
from equimorph.evaluation.summary import (
    best_equivariant,
    compare_with,
    ensemble_correct,
    highlighted,
    summarise_condition,
    summarise_runs,
)

CLASSES = ["a", "b"]


def predictions(answers, labels, margin=2.0):
    logits = margin * np.eye(2, dtype=np.float32)[answers]
    return Predictions(np.arange(len(labels)), np.array(labels), logits)


def run(seed=0, **changes):
    return {
        "model": "D4",
        "architecture": "gcnn",
        "group": "D4",
        "group_order": 8,
        "parameters": 10,
        "macs": 20,
        "executed_macs": 10,
        "input_size": 65,
        "train_seconds": 1.0 + seed,
        "validation_accuracy": 0.5 + 0.1 * seed,
        "validation_loss": 1.5 - 0.1 * seed,
        "seed": seed,
        "split_sha256": "f00",
        **changes,
    }


def test_condition_over_seeds():
    labels = [0, 0, 1, 1]
    by_seed = {0: predictions([0, 0, 1, 1], labels), 1: predictions([0, 1, 1, 0], labels)}
    summary = summarise_condition(by_seed, CLASSES, 200, np.random.default_rng(0))
    assert summary["accuracy"]["values"] == [1.0, 0.5]
    assert summary["accuracy"]["mean"] == 0.75
    assert summary["accuracy"]["sd"] == pytest.approx(np.sqrt(0.125))
    assert summary["accuracy"]["ci95"][0] <= 0.75 <= summary["accuracy"]["ci95"][1]
    assert summary["confusion"] == [[3, 1], [1, 3]]
    assert summary["per_class"]["a"]["recall"] == 0.75
    assert sum(row["count"] for row in summary["reliability"]) == 8


def test_ensemble_averages_probabilities_not_votes():
    labels = [0]
    by_seed = {
        0: predictions([0], labels, margin=5.0),
        1: predictions([1], labels, margin=0.5),
        2: predictions([1], labels, margin=0.5),
    }
    assert ensemble_correct(by_seed).tolist() == [True]


def test_runs_are_averaged_over_seeds():
    model = summarise_runs([run(0), run(1)])
    assert model["train_seconds"] == 1.5
    assert model["seeds"] == [0, 1]
    assert model["validation_accuracy"]["mean"] == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (run(1, split_sha256="bad"), "split_sha256 differs"),
        (run(1, parameters=11), "parameters differs"),
        (run(0), "hold one twice"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(second, message):
    with pytest.raises(InputError, match=message):
        summarise_runs([run(0), second])


def model(group, order, validation, macs=1, test=0.0):
    return {
        "group": group,
        "group_order": order,
        "executed_macs": macs,
        "validation_loss": {"mean": validation},
        "conditions": {"clean": {"accuracy": {"mean": test}}},
    }


def test_choice_is_made_on_validation_among_equivariant_models():
    models = {
        "CNN": model(None, 1, 0.5, test=0.99),
        "C1": model("C1", 1, 0.6),
        "C4": model("C4", 4, 0.7, macs=5, test=0.7),
        "D4": model("D4", 8, 0.7, macs=4, test=0.6),
        "SO2": model("SO2", None, 0.8, test=0.95),
    }
    assert best_equivariant(models) == "D4"
    assert best_equivariant({"CNN": models["CNN"]}) is None


def test_highlighted_models():
    metrics = {"validation_choice": {"best_equivariant": "D4"}, "reference": "CNN", "models": {}}
    assert highlighted(metrics) == ["D4", "CNN"]
    metrics = {
        "validation_choice": {"best_equivariant": None},
        "reference": None,
        "models": {"A": {}, "B": {}},
    }
    assert highlighted(metrics) == ["A"]


def test_comparisons_are_signed_paired_and_corrected():
    labels = np.tile([0, 1], 50)
    wrong = np.where(np.arange(100) < 30, 1 - labels, labels)
    better = {0: predictions(labels, labels)}
    worse = {0: predictions(wrong, labels)}
    rows = compare_with("W", {"W": worse, "B": better, "W2": worse}, 300, 1)
    assert [(row["a"], row["b"]) for row in rows] == [("B", "W"), ("W2", "W")]
    assert rows[0]["difference"] == pytest.approx(0.3)
    assert rows[0]["ci95"][0] > 0.2
    assert rows[0]["mcnemar_p"] == pytest.approx(2 * 0.5**30)
    assert rows[0]["holm_p"] == pytest.approx(4 * 0.5**30)
    assert rows[1] == {
        "a": "W2",
        "b": "W",
        "difference": 0.0,
        "ci95": [0.0, 0.0],
        "mcnemar_p": 1.0,
        "holm_p": 1.0,
    }
    other = {0: Predictions(np.arange(1, 101), labels, worse[0].logits)}
    with pytest.raises(InputError, match="model B"):
        compare_with("W", {"W": worse, "B": other}, 10, 1)

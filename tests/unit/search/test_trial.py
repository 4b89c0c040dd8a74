"""Trials: real, short trainings, which the pruner may stop."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.search.outcome import best_of
from equimorph.search.trial import Trainer
from equimorph.study.search_space import Range, with_value
from tests.unit.search.searches import opened


def run_with(search, trainer, values):
    """Run the next trial with given values, through Optuna and a real training."""
    search.study.enqueue_trial(values)
    trial = search.ask()
    result = trainer.run(trial.values, lambda *row: search.go_on(trial, *row))
    search.tell(trial, result)
    return result


def test_the_pruner_stops_bad_trials_and_no_good_ones(material, tmp_path):
    search, trainer = opened(tmp_path / "s.db"), Trainer(**material)
    first = [run_with(search, trainer, {"learning_rate": r}) for r in (0.003, 0.005, 0.008)]
    # Nothing is stopped before three are complete.
    assert [o.state for o in first] == ["completed"] * 3
    bad = [run_with(search, trainer, {"learning_rate": r}) for r in (0.0001, 0.0002)]
    assert [o.state for o in bad] == ["pruned"] * 2
    assert all(2 <= o.epochs < 5 and o.losses == [] for o in bad)  # the warm-up is theirs
    good = [run_with(search, trainer, {"learning_rate": r}) for r in (0.01, 0.012)]
    assert [o.state for o in good] == ["completed"] * 2
    assert [o.epochs for o in good] == [5, 5]
    results = search.results()
    assert [len(r["curve"]) for r in results[3:5]] == [o.epochs for o in bad]
    assert all(r["curve"] == sorted(r["curve"], reverse=True) for r in results)
    best = best_of(results)
    assert best["validation_loss"] == min(o.losses[0] for o in [*first, *good])
    assert best["validation_loss"] < min(r["validation_loss"] for r in results[3:5])


def test_without_a_pruner_every_trial_ends(material, tmp_path):
    changes = {"pruner": {"kind": "none", "startup": 1, "warmup": 1}}
    search, trainer = opened(tmp_path / "s.db", **changes), Trainer(**material)
    rates = (0.01, 0.0001)
    assert [run_with(search, trainer, {"learning_rate": r}).state for r in rates] == [
        "completed",
        "completed",
    ]


def test_a_loss_is_averaged_over_seeds_and_judged_on_the_first(material, tmp_path):
    seen, values = [], {"learning_rate": 0.01}

    def watch(epoch, loss):
        seen.append((epoch, loss))
        return True

    both = Trainer(**{**material, "seeds": [0, 1]}).run(values, watch)
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5]
    single = [
        Trainer(**{**material, "seeds": [seed]}).run(values, lambda *row: True) for seed in (0, 1)
    ]
    assert both.losses == [single[0].losses[0], single[1].losses[0]]
    assert both.losses[0] == seen[-1][1] != both.losses[1]
    search = opened(tmp_path / "s.db")
    search.tell(search.ask(), both)
    assert search.results()[0]["validation_loss"] == pytest.approx(np.mean(both.losses))


def test_a_training_that_stops_early_is_compared_by_what_it_reached(material):
    part = with_value(material["part"], "patience", 1)
    seen = []
    trainer = Trainer(**{**material, "part": part})
    result = trainer.run({"learning_rate": 0.1}, lambda *row: seen.append(row) or True)
    assert result.state == "completed" and result.epochs < 5
    assert [epoch for epoch, _ in seen] == [1, 2, 3, 4, 5]
    assert {loss for _, loss in seen[result.epochs - 1 :]} == {result.losses[0]}


def test_a_diverging_trial_is_stopped_and_the_search_goes_on(material, tmp_path):
    search, trainer = opened(tmp_path / "s.db", space={"grad_clip": Range(1.0, 1e9)}), None
    part = with_value(material["part"], "learning_rate", 1e30)
    trainer = Trainer(**{**material, "part": part})
    result = run_with(search, trainer, {"grad_clip": 1e8})
    assert result.state == "untrainable" and "epoch 1, learning rate" in result.reason
    (result,) = search.results()
    assert result["validation_loss"] is None and result["curve"] == []
    with pytest.raises(InputError, match="none of 1 trials was completed .*learning rate"):
        best_of([result])
    assert search.ask().number == 2

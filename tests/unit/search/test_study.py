"""A search: its space, its study in the database, its trials, and the preset of the best."""

import copy
import importlib.util
import multiprocessing
import os
import signal
import sys

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml

from equimorph.data.split import split_csv
from equimorph.errors import InputError
from equimorph.report.figures.search import search_history, search_slices
from equimorph.report.figures.style import save
from equimorph.search.outcome import best_of, best_study, difference, preset_text, trials_csv
from equimorph.search.study import Search, locked
from equimorph.search.trial import Trainer, TrialResult
from equimorph.search.workers import run_trials
from equimorph.study.config import check_config
from equimorph.study.search_space import (
    Choices,
    Range,
    read_space,
    resolve_trial,
    single_study,
    training_part,
    with_value,
    with_values,
)
from equimorph.study.yaml_files import merged, read_yaml

RATE = {"learning_rate": Range(0.0001, 0.1, log=True)}
SETTINGS = {
    "trials": 10,
    "seed": 3,
    "sampler": {"kind": "tpe", "startup": 4},
    "pruner": {"kind": "median", "startup": 3, "warmup": 2},
}


# The space


BAD = [
    ({"lr": {"low": 0.1, "high": 1.0}}, r"space.lr: train: unknown key lr; allowed are aug"),
    ({"augmentation.zoom": {"low": 0.1, "high": 1.0}}, r"space.augmentation.zoom: .* unknown key"),
    (
        {"grad_clip.norm": {"low": 0.1, "high": 1.0}},
        r"space.grad_clip.norm: train.grad_clip: .* not allowed",
    ),
    ({"epochs": {"low": 1, "high": 9}}, r"space.epochs: this key is not searched; allowed"),
    ({"seeds": {"choices": [1, 2]}}, r"space.seeds: this key is not searched; allowed"),
    ({"grad_clip": {"low": 2.0, "high": 1.0}}, r"space.grad_clip: low 2.0 .* must be below 1.0"),
    ({"grad_clip": {"low": 1, "high": 1}}, r"space.grad_clip: low 1 .* must be below 1"),
    ({"mixup": {"low": 0, "high": 1, "log": True}}, r"space.mixup: low 0 .* above 0 where log"),
    ({"grad_clip": {"low": 1.0}}, r"space.grad_clip: has low; it must have choices alone, or low"),
    (
        {"grad_clip": {"low": 1, "high": 2, "choices": [1, 2]}},
        r"has choices, high, low; it must have",
    ),
    ({"grad_clip": {"low": "1e-3", "high": 2}}, r"grad_clip.low: '1e-3' .* write 0.001 instead"),
    ({"grad_clip": {"least": 1}}, r"space.grad_clip: unknown key least; allowed are choices, high"),
    ({"flip": {"choices": [1]}}, r"space.flip.choices: \[1\] is not allowed"),
    ({"label_smoothing": {"low": 0.5, "high": 1.5}}, r"label_smoothing: 1.5 is not allowed"),
    ({"batch_size": {"low": 8.0, "high": 16.0}}, r"batch_size: 10.96 .* of type integer"),
    ({"optimiser": {"choices": ["sgd", "lion"]}}, r"optimiser: 'lion' .* one of adamw, adam"),
    (
        {"schedule.factor": {"low": 0.1, "high": 0.5}},
        r"schedule.factor: a schedule of the kind one_cycle does not use it; allowed are schedule.",
    ),
    ({"network.depth": {"low": 1, "high": 3}}, r"network.depth: network: unknown key depth"),
    ({"network.input_size": {"choices": [65, 64]}}, r"network.input_size: .* 64: not exact"),
    ({"network.width": {"low": 0.0, "high": 2.0}}, r"network.width: .*0.0 is not allowed"),
]


@pytest.mark.parametrize(("space", "message"), BAD, ids=[str(space) for space, _ in BAD])
def test_bad_ranges_are_named(config, schema, space, message):
    config["search"]["space"] = space
    with pytest.raises(InputError, match=message) as error:
        check_config(config, schema)
    assert str(error.value).startswith("config: search.space.")


def test_a_space_must_hold_something(config, schema):
    config["search"]["space"] = dict.fromkeys(config["search"]["space"])
    with pytest.raises(InputError, match="config: search.space: holds no range; it must name"):
        check_config(config, schema)


def test_a_key_of_the_network_must_matter_to_the_model(config, schema):
    config["models"] = {"Fixed": {"architecture": "cnn", "width": 0.5}}
    config["search"]["space"] = {"network.width": {"low": 0.5, "high": 1.0}}
    check_config(config, schema)
    for model in ("Fixed", "E2ResNet18-C4"):
        config["search"]["model"] = model
        with pytest.raises(InputError, match=f"network.width: {model} does not depend on it"):
            check_config(config, schema)


def test_a_key_of_the_schedule_must_be_one_that_it_uses(config, schema):
    config["train"]["schedule"] = {"kind": "plateau"}
    config["search"]["space"] = {"schedule.factor": {"low": 0.1, "high": 0.5}}
    check_config(config, schema)
    config["search"]["space"]["schedule.kind"] = {"choices": ["multi_step", "cosine"]}
    with pytest.raises(InputError, match="kind multi_step or cosine does not use it; allowed are"):
        check_config(config, schema)


def test_the_model_must_exist(config, schema):
    config["search"]["model"] = "D3"
    with pytest.raises(InputError, match="config: search.model: .*allowed are"):
        check_config(config, schema)


def test_without_a_model_the_first_of_the_study_is_searched(config):
    config["train"]["models"] = ["D8", "CNN"]
    config["search"]["model"] = None
    assert single_study(config)["train"]["models"] == ["D8"]
    config["search"]["model"] = "CNN"
    assert single_study(config)["train"]["models"] == ["CNN"]


def test_null_takes_a_range_out_of_an_overlay():
    space = {"a": {"low": 1, "high": 2, "log": None}, "b": None, "c": {"choices": ["x", "y"]}}
    assert read_space(space) == {"a": Range(1, 2), "c": Choices(("x", "y"))}


def test_a_trial_is_the_study_with_values_put_in(config):
    config["train"]["overrides"] = {"D4": {"optimiser": "sgd"}, "CNN": {"grad_clip": 1.0}}
    config["search"].update(model="D4", epochs=7)
    single = single_study(config)
    values = {"learning_rate": 0.5, "augmentation.scale": 1.3, "network.width": 0.5}
    specification, recipe = resolve_trial(training_part(single), values)
    assert specification["group"] == "D4" and specification["width"] == 0.5
    assert recipe["learning_rate"] == 0.5 and recipe["augmentation"]["scale"] == 1.3
    assert recipe["optimiser"] == "sgd" and recipe["grad_clip"] is None
    assert recipe["epochs"] == recipe["patience"] == 7
    assert not {"seeds", "threads", "world_size", "device", "models", "overrides"} & set(recipe)
    # A quick look at the study shrinks its trials.
    specification, recipe = resolve_trial(training_part({**single, "scale": 0.5}), values)
    assert specification["width"] == 0.25 and recipe["epochs"] == 4


def test_setting_a_value_leaves_the_config_as_it_was(config):
    before = copy.deepcopy(config)
    assert with_value(config, "augmentation.scale", 3)["train"]["augmentation"]["scale"] == 3
    assert config == before


# The study


def loss_of(values):
    """A loss with its minimum at a rate of 0.01."""
    return 0.5 + (np.log10(values["learning_rate"]) + 2) ** 2


def ended(loss):
    return TrialResult("completed", [loss], [1], 1, "", 0.1)


def opened(path, digest="a" * 64, job=None, space=RATE, **changes):
    return Search(path, "demo", job or {"x": 1}, digest, space, {**SETTINGS, **changes})


def go_through(search, count=None):
    """Run trials by formula: all, or the first `count` of them."""
    while (count is None or count > 0) and (trial := search.ask()):
        search.tell(trial, ended(loss_of(trial.values)))
        count = count and count - 1
    return [(r["trial"], r["values"], r["validation_loss"]) for r in search.results()]


def test_a_search_that_was_cut_off_ends_as_one_that_was_not(tmp_path):
    expected = go_through(opened(tmp_path / "whole.db"))
    assert [number for number, _, _ in expected] == list(range(1, 11))
    path = tmp_path / "cut.db"
    for done in (3, 3, 1):
        search = opened(path)
        go_through(search, done)
        search.ask()  # under way when the process is killed
    search = opened(path)
    assert search.log == [
        f"{path}: goes on with demo-aaaaaaaaaaaaaaaa: 7 of 10 trials ended, 1 cut off and repeated."
    ]
    assert go_through(search) == expected
    states = [trial.state.name for trial in search.study.get_trials()]
    assert states.count("FAIL") == 3 and states.count("COMPLETE") == 10 and len(states) == 13
    assert len({values["learning_rate"] for _, values, _ in expected}) == 10
    assert go_through(opened(tmp_path / "other.db", seed=4)) != expected


def test_tpe_comes_closer_than_its_first_draws(tmp_path):
    losses = [loss for _, _, loss in go_through(opened(tmp_path / "s.db", trials=20))]
    assert np.median(losses[10:]) < np.median(losses[:4])


def test_more_trials_go_on_and_fewer_are_the_first(tmp_path):
    path = tmp_path / "s.db"
    six = go_through(opened(path, trials=6))
    ten = go_through(opened(path, trials=10))
    assert len(six) == 6 and len(ten) == 10 and ten[:6] == six
    assert go_through(opened(path, trials=4)) == six[:4]


def test_another_job_begins_a_new_study_and_says_why(tmp_path):
    path = tmp_path / "s.db"
    first = go_through(opened(path, job={"space": {"lr": 1, "b": 2}, "data": "x"}))
    other = opened(path, "b" * 64, {"space": {"lr": 2, "b": 2}, "data": "y"}, trials=2)
    assert other.log == [
        f"{path}: begins the new study demo-bbbbbbbbbbbbbbbb, because data, space.lr changed; "
        "the trials of demo-aaaaaaaaaaaaaaaa are kept, but have no part in it."
    ]
    assert len(go_through(other)) == 2
    assert go_through(opened(path)) == first


def test_kinds_of_ranges_are_drawn_as_they_say(tmp_path):
    space = {
        "whole": Range(8, 12),
        "number": Range(0, 0.5),
        "word": Choices(("a", None, True, 3)),
    }
    search = opened(tmp_path / "s.db", space=space, sampler={"kind": "random", "startup": 1})
    drawn = [search.ask().values for _ in range(10)]
    assert {type(values["whole"]) for values in drawn} == {int}
    assert all(8 <= v["whole"] <= 12 and 0 <= v["number"] <= 0.5 for v in drawn)
    assert len({values["number"] for values in drawn}) == 10
    assert {values["word"] for values in drawn} <= {"a", None, True, 3}
    assert search.ask() is None


def test_one_process_at_a_time(tmp_path):
    message = f"s.db: another search, process {os.getpid()}, is at work on it"
    with (
        locked(tmp_path / "s.db"),
        pytest.raises(InputError, match=message),
        locked(tmp_path / "s.db"),
    ):
        pass
    with locked(tmp_path / "s.db"):
        pass


def test_a_damaged_database_is_named(tmp_path):
    path = tmp_path / "s.db"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 50)
    with pytest.raises(InputError, match=r"s.db: not a search that can be read .* move it away"):
        opened(path)


def test_optuna_is_asked_for_in_one_sentence(root, monkeypatch):
    spec = importlib.util.spec_from_file_location(
        "optimise", root / "workflow/scripts/search/optimise.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "equimorph.search.study")
    with pytest.raises(InputError, match=r"optuna is missing; pip install 'equimorph\[search\]'"):
        script.main([])


# The trials: real, short trainings


def write_blobs(folder):
    """Two classes that differ in the size of a blob; the test rows do not exist."""
    random = np.random.default_rng(0)
    labels = np.arange(96) % 2
    y, x = np.mgrid[-1:1:33j, -1:1:33j]
    images = np.zeros((96, 33, 33, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        width = 0.03 + 0.12 * label + 0.02 * random.random()
        blob = 200 * np.exp(-(x**2 + y**2) / width) + 20 * random.random((33, 33))
        image[:] = blob.astype(np.uint8)[..., None]
    np.save(folder / "images.npy", images)
    split = {"train": np.arange(64), "validation": np.arange(64, 96)}
    text = split_csv(split, labels) + "test,1000000,0\n"
    (folder / "split.csv").write_text(text)


@pytest.fixture(scope="module")
def material(tmp_path_factory, root):
    folder = tmp_path_factory.mktemp("blobs")
    write_blobs(folder)
    overlay = {
        "network": {"input_size": 33, "fields": [4, 8], "pool_after": [2], "match": "fields"},
        "train": {"batch_size": 16, "patience": 5},
        "search": {"model": "CNN", "epochs": 5},
    }
    config = merged(read_yaml(root / "config.yaml"), overlay)
    return {
        "images": str(folder / "images.npy"),
        "split": str(folder / "split.csv"),
        "part": training_part(single_study(config)),
        "seeds": [0],
        "classes": 2,
    }


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


@pytest.mark.slow
def test_workers_share_the_trials_and_a_killed_one_loses_its_own_alone(material, tmp_path):
    path, seen = tmp_path / "s.db", []
    space = {"learning_rate": Range(0.004, 0.02, log=True)}

    def kill(line):
        seen.append(int(line.split()[1]))
        if len(seen) == 2:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    with pytest.raises(InputError, match=r"trial \d \(learning_rate .* ended with code -9"):
        run_trials(opened(path, space=space, trials=6), 2, 1, material, kill)
    assert multiprocessing.active_children() == []
    search = opened(path, space=space, trials=6)
    done = {result["trial"] for result in search.results()}
    assert set(seen) <= done and 2 <= len(done) < 6
    run_trials(search, 1, 1, material)
    results = search.results()
    assert [result["trial"] for result in results] == [1, 2, 3, 4, 5, 6]
    assert {result["state"] for result in results} <= {"completed", "pruned"}
    states = [trial.state for trial in search.study.get_trials()]
    assert optuna.trial.TrialState.RUNNING not in states


def test_what_a_worker_cannot_read_ends_the_search(material, tmp_path):
    missing = {**material, "images": str(tmp_path / "none.npy")}
    search = opened(tmp_path / "s.db")
    with pytest.raises(InputError, match=r"trial 1 \(learning_rate .*none.npy: not a readable"):
        run_trials(search, 1, 1, missing)
    assert search.ask().number == 1


# The outcome


def results():
    rows = []
    for number in range(1, 7):
        loss = 1 + 0.1 * abs(number - 4)
        stopped = number in (2, 6)
        rows.append(
            {
                "trial": number,
                "state": "pruned" if stopped else "completed",
                "validation_loss": loss,
                "best_epochs": [] if stopped else [3],
                "epochs": 2 if stopped else 3,
                "seconds": 1.0,
                "reason": "",
                "values": {"learning_rate": 0.001 * number, "batch_size": 16 * (1 + number % 2)},
                "curve": [loss + 0.2, loss + 0.1, loss][: 2 if stopped else 3],
            }
        )
    diverged = {"state": "untrainable", "validation_loss": None, "curve": [], "reason": "epoch 1"}
    return [*rows, {**rows[1], "trial": 7, **diverged}]


OUTCOME = {"study": "demo", "model": "D4", "best": results()[3], "trials": results()}
SPACE = {
    "learning_rate": {"low": 0.001, "high": 0.01, "log": True, "choices": []},
    "batch_size": {"low": None, "high": None, "log": False, "choices": [16, 32]},
}


def test_the_best_is_the_lowest_that_was_completed():
    assert best_of(results())["trial"] == 4
    stopped = [{**r, "validation_loss": 0.1} if r["trial"] == 2 else r for r in results()]
    assert best_of(stopped)["trial"] == 4


def test_the_table_has_a_column_per_key(tmp_path):
    (tmp_path / "trials.csv").write_text(trials_csv(results()))
    table = pd.read_csv(tmp_path / "trials.csv")
    assert list(table["trial"]) == [1, 2, 3, 4, 5, 6, 7]
    assert list(table.columns[-2:]) == ["learning_rate", "batch_size"]
    assert table["learning_rate"][3] == 0.004 and table["state"][6] == "untrainable"


def test_a_difference_merged_into_the_base_is_the_target(config):
    target = with_values(config, {"learning_rate": 7, "network.width": 0.1, "schedule.T_0": 3})
    overlay = difference(config, target)
    assert overlay == {
        "network": {"width": 0.1},
        "train": {"learning_rate": 7, "schedule": {"kind": "one_cycle", "T_0": 3}}
        if "schedule" not in config["train"]
        else {"learning_rate": 7, "schedule": {"T_0": 3}},
    }
    assert merged(config, overlay) == target


@pytest.mark.parametrize("preset", ["images", "cnn-vs-vit"])
def test_the_best_preset_needs_no_other(root, config, schema, preset, tmp_path):
    written = merged(config, read_yaml(root / f"workflow/presets/{preset}.yaml"))
    name = "ViT" if preset == "cnn-vs-vit" else "D4"
    written["search"].update(model=name, epochs=9)
    best = {**OUTCOME["best"], "values": {"learning_rate": 0.00123, "batch_size": 32}}
    outcome = {**OUTCOME, "model": name, "best": best}
    overlay = best_study(single_study(written), outcome, config)
    path = tmp_path / "best.yaml"
    path.write_text(preset_text(overlay, outcome, "best.yaml"))
    study = merged(config, read_yaml(path))
    check_config(study, schema, [path])
    assert study["study"] == f"{preset}-best" and study["train"]["models"] == [name]
    assert study["train"]["learning_rate"] == 0.00123 and study["train"]["epochs"] == 9
    assert study["train"]["overrides"] == {} and study["data"] == written["data"]
    assert study["conditions"] == written["conditions"]
    values = {"learning_rate": 0.00123, "batch_size": 32}
    expected = resolve_trial(training_part(single_study(written)), values)
    assert resolve_trial(training_part(study), {}) == expected
    assert "the test set had no part in it" in study["notes"][-1]


def test_overrides_in_the_base_cannot_be_taken_away(config):
    config["train"]["overrides"] = {"CNN": {"grad_clip": 1.0}}
    with pytest.raises(InputError, match="config.yaml: train.overrides holds entries"):
        best_study(single_study(config), OUTCOME, config)


# The figures and the environment


def test_the_history_shows_every_trial_with_a_loss():
    figure = search_history(results(), 4)
    history, curves = figure.axes
    marks = {line.get_label(): line for line in history.lines}
    assert list(marks["completed"].get_xdata()) == [1, 3, 4, 5]
    assert list(marks["stopped: lowest until then"].get_xdata()) == [2, 6]
    assert list(marks["best: trial 4"].get_xdata()) == [4]
    lowest = list(marks["lowest so far"].get_ydata())
    assert lowest == pytest.approx([1.3, 1.3, 1.1, 1.0, 1.0, 1.0])
    assert sorted(len(line.get_xdata()) for line in curves.lines) == [2, 2, 3, 3, 3, 3]


def test_a_slice_per_key_on_its_own_scale():
    figure = search_slices(results(), 4, SPACE)
    rate, batch = (axes for axes in figure.axes if axes.get_visible())
    assert rate.get_xlabel() == "learning_rate" and rate.get_xscale() == "log"
    assert rate.get_xlim()[0] < 0.001 and rate.get_xlim()[1] > 0.01
    assert [label.get_text() for label in batch.get_xticklabels()] == ["16", "32"]
    marks = {line.get_label(): line for line in batch.lines}
    assert list(marks["completed"].get_xdata()) == [1, 1, 0, 1]


def test_bytes_of_the_figures_depend_on_the_trials_alone(tmp_path):
    for name in ("a", "b"):
        save(search_history(results(), 4), tmp_path / f"history-{name}.svg")
        save(search_slices(results(), 4, SPACE), tmp_path / f"slices-{name}.svg")
    for kind in ("history", "slices"):
        one, other = ((tmp_path / f"{kind}-{name}.svg").read_bytes() for name in "ab")
        assert one == other


def test_the_environment_is_that_of_training_and_optuna(root):
    def pins(name):
        environment = yaml.safe_load((root / f"envs/{name}.yaml").read_text())
        (pip,) = [e["pip"] for e in environment["dependencies"] if isinstance(e, dict)]
        return set(pip)

    (optuna_pin,) = pins("search") - pins("compute")
    assert pins("compute") < pins("search")
    assert optuna_pin in (root / "requirements.lock").read_text().splitlines()
    scripts = [(root / f"envs/{name}.post-deploy.sh").read_text() for name in ("search", "compute")]
    assert scripts[0] == scripts[1]

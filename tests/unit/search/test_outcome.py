"""The outcome of a search: its best trial, its table, and its preset."""

import pandas as pd
import pytest

from equimorph.errors import InputError
from equimorph.search.outcome import best_of, best_study, difference, preset_text, trials_csv
from equimorph.study.config import check_config
from equimorph.study.search_space import resolve_trial, single_study, training_part, with_values
from equimorph.study.yaml_files import merged, read_yaml
from tests.unit.search.searches import results

OUTCOME = {"study": "demo", "model": "D4", "best": results()[3], "trials": results()}


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

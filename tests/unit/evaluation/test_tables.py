"""Tables: a row per number that a reader looks up."""

from equimorph.evaluation.metrics import METRICS
from equimorph.evaluation.tables import tables

CONDITION = {
    "accuracy": {"mean": 0.5, "sd": 0.1, "n": 2, "ci95": [0.4, 0.6]},
    **{name: {"mean": 0.1 * place} for place, name in enumerate(METRICS) if name != "accuracy"},
    "per_class": {"a": {"precision": 0.2, "recall": 0.3}, "b": {"precision": 0.4, "recall": 0.5}},
}
COMPARED = {"a": "D4", "b": "CNN", "difference": 0.1, "ci95": [0, 0.2]}
METRICS_OF_A_STUDY = {
    "models": {name: {"conditions": {"clean": CONDITION}} for name in ("CNN", "D4")},
    "comparisons": {"clean": [{**COMPARED, "mcnemar_p": 0.03, "holm_p": 0.06, "more": 1}]},
}


def test_each_number_is_in_its_row():
    found = tables(METRICS_OF_A_STUDY)
    row = found["accuracy"].set_index("model").loc["D4"]
    assert (row["condition"], row["mean"], row["sd"], row["seeds"]) == ("clean", 0.5, 0.1, 2)
    assert (row["ci95_low"], row["ci95_high"]) == (0.4, 0.6)
    for name in set(METRICS) - {"accuracy"}:
        assert row[name] == CONDITION[name]["mean"]
    per_class = found["per_class"].set_index(["model", "class"])
    assert per_class.loc[("CNN", "b")].to_dict() == {
        "condition": "clean",
        "precision": 0.4,
        "recall": 0.5,
    }
    (compared,) = found["comparisons"].to_dict("records")
    limits = {"ci95_low": 0, "ci95_high": 0.2}
    assert compared == {
        **{key: COMPARED[key] for key in ("a", "b", "difference")},
        **limits,
        "condition": "clean",
        "mcnemar_p": 0.03,
        "holm_p": 0.06,
    }


def test_a_study_of_one_model_compares_nothing():
    found = tables({**METRICS_OF_A_STUDY, "comparisons": {}})["comparisons"]
    assert len(found) == 0 and "holm_p" in found.columns

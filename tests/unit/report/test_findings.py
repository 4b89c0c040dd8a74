"""The report's sentences say no more than the numbers do."""

import copy

import pytest

from equimorph.report.findings import caveats, headline, trend, warnings

SPLIT = {
    "counts": {"train": [70, 70], "validation": [10, 10], "test": [30, 20]},
    "overlap": {"test_in_train": {"galaxies": 32, "share": 0.64}},
}


def measured(mean, sd=0.01, n=3):
    accuracy = {"mean": mean, "sd": sd, "n": n, "ci95": [mean - 0.05, mean + 0.05]}
    return {"accuracy": accuracy}


def model(group, order, clean, macs=100, **kwargs):
    return {
        "group": group,
        "group_order": order,
        "executed_macs": macs,
        "validation_accuracy": {"mean": clean, "sd": 0.01, "n": 3},
        "conditions": {
            "clean": measured(clean, **kwargs),
            "noise-50": measured(clean - 0.2, **kwargs),
        },
    }


def comparison(name, difference, ci95):
    return {"a": name, "b": "CNN", "difference": difference, "ci95": ci95}


@pytest.fixture
def metrics():
    return {
        "data": {"source": "galaxy10", "images": 17736},
        "split": {"leaky": False, "protocol": "clean", "test_images": 50},
        "validation_choice": {"best_equivariant": "D4"},
        "reference": "CNN",
        "models": {
            "CNN": model(None, 1, 0.70),
            "C2": model("C2", 2, 0.72),
            "C4": model("C4", 4, 0.75),
            "D2": model("D2", 4, 0.80),
            "D4": model("D4", 8, 0.78),
        },
        "comparisons": {
            "clean": [comparison("D4", 0.08, [0.02, 0.14])],
            "noise-50": [comparison("D4", 0.01, [-0.05, 0.07])],
        },
    }


def test_a_difference_whose_interval_excludes_zero_is_stated_with_its_interval(metrics):
    first, second, third = headline(metrics)
    assert "D4, chosen on validation among 4 equivariant networks," in first
    assert "78.0 ± 1.0 % of 50 held-out galaxies" in first
    assert "mean ± sd of 3 seeds; 95 % interval over test images and seeds [73.0, 83.0] %" in first
    assert "higher than that of CNN (70.0 ± 1.0 %) by 8.0 percentage points" in second
    assert "[+2.0, +14.0]" in second
    assert "higher in 1 (clean); not distinguishable in 1 (noise 50\N{NO-BREAK SPACE}%)" in third


def test_a_difference_whose_interval_contains_zero_is_not_claimed(metrics):
    metrics["comparisons"]["clean"][0]["ci95"] = [-0.01, 0.17]
    second = headline(metrics)[1]
    assert "not distinguishable" in second
    assert "higher" not in second


def test_a_worse_network_is_called_worse(metrics):
    metrics["comparisons"]["clean"][0].update(difference=-0.08, ci95=[-0.14, -0.02])
    assert "lower than that of CNN" in headline(metrics)[1]


def test_one_seed_is_said_to_be_one(metrics):
    metrics["models"]["D4"]["conditions"]["clean"] = measured(0.78, sd=None, n=1)
    assert "one seed; 95 % interval over test images [" in headline(metrics)[0]
    assert "±" not in headline(metrics)[0]
    text = " ".join(caveats(metrics, SPLIT, []))
    assert "One seed per model" in text
    assert "The intervals come from resampling test images." in text


def test_without_equivariant_network_or_reference(metrics):
    alone = copy.deepcopy(metrics)
    alone.update(reference=None, comparisons={})
    assert len(headline(alone)) == 1
    alone["models"] = {"CNN": metrics["models"]["CNN"]}
    alone["validation_choice"]["best_equivariant"] = None
    assert headline(alone)[0].startswith("CNN classifies 70.0")
    assert not any("was chosen" in sentence for sentence in caveats(alone, SPLIT, []))


def test_trend_names_a_break(metrics):
    cyclic, dihedral = trend(metrics)
    assert "from 72.0 % (C2) to 75.0 % (C4), rising at every step" in cyclic
    assert "not rising at every step; the highest mean is that of D2 (80.0 %)" in dihedral


def test_warnings_appear_only_where_they_are_due(metrics):
    assert warnings(metrics, SPLIT) == []
    metrics["split"].update(leaky=True, protocol="legacy_leaky")
    (leak,) = warnings(metrics, SPLIT)
    assert "32 of 50 test galaxies (64 %)" in leak["text"]
    assert "held-out" not in headline(metrics)[0]
    metrics["split"]["leaky"] = False
    metrics["models"]["D2"]["conditions"]["clean"]["accuracy"]["mean"] = 0.91
    (suspect,) = warnings(metrics, SPLIT)
    assert "check for a leak" in suspect["title"]
    assert suspect["text"].startswith("D2 ")
    metrics["data"]["source"] = "simulated"
    (note,) = warnings(metrics, SPLIT)
    assert note["title"] == "Simulated galaxies"


def test_caveats_follow_from_the_numbers(metrics):
    text = " ".join(caveats(metrics, SPLIT, [{"commit": "a"}, {"commit": "a"}]))
    assert "50 images: an accuracy of 78.0 % has a standard error of 5.9 points" in text
    assert "20 test images" in text
    assert "20 validation images" in text
    assert "0.5 to 6.3 times" in text  # chi-square, two degrees of freedom
    assert "The intervals come from resampling test images and seeds." in text
    assert "do not cost the same" not in text
    assert "same commit" not in text
    assert "has only" not in text
    metrics["models"]["D4"]["executed_macs"] = 300
    metrics["data"].update(source="images", images=250)
    runs = [{"commit": "a", "dirty": True}, {"commit": "b", "dirty": False}]
    text = " ".join(caveats(metrics, SPLIT, runs))
    assert "from 100 (CNN) to 300 (D4)" in text
    assert "not all trained at the same commit" in text
    assert "uncommitted changes" in text
    assert "only 250 images" in text

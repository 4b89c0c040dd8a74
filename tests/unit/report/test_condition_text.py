"""Conditions in words."""

import pytest

from equimorph.report.condition_text import describe_condition


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        (None, "as they are"),
        ({"kind": "rotation", "seed": 1}, "random angle"),
        ({"kind": "rotation", "angle": 90}, "90°"),
        ({"kind": "noise", "formula": "physical", "level": 0.25, "seed": 1}, "ratio is 25 % lower"),
        ({"kind": "noise", "formula": "legacy", "level": 0.5, "seed": 1}, "level 50 %"),
        ({"kind": "resolution", "scale": 0.75}, "lowered to 75 %"),
        ({"kind": "resolution", "scale": 0.5, "antialias": False}, "to 50 % without smoothing"),
        ({"kind": "white_pixel", "seed": 1}, "one pixel at a random place made white"),
        (
            [{"kind": "rotation", "angle": 90}, {"kind": "white_pixel", "seed": 1}],
            "each image rotated by 90°, then one pixel",
        ),
    ],
)
def test_conditions_in_words(specification, words):
    assert words in describe_condition(specification)

"""Sweeps as data: one key with a list, a condition for each of its values."""

import pytest

from equimorph.errors import InputError
from equimorph.study.sweeps import axis, check_sweeps, conditions, levels, swept_key

NOISE = {"kind": "noise", "formula": "physical", "level": [0, 0.25], "seed": 1}
ANGLE = {"kind": "rotation", "angle": [0, 45, 90]}


def test_a_condition_for_each_level():
    assert swept_key(NOISE) == "level"
    assert levels("n", NOISE) == {
        "n+0": {**NOISE, "level": 0},
        "n+0.25": {**NOISE, "level": 0.25},
    }
    assert list(conditions({"n": NOISE, "a": ANGLE})) == ["n+0", "n+0.25", "a+0", "a+45", "a+90"]


def test_axes_are_named_with_their_units():
    assert axis(ANGLE).label == "angle (degrees)" and not axis(ANGLE).falling
    scale = axis({"kind": "resolution", "scale": [1, 0.5]})
    assert scale.percent and scale.falling and scale.logarithmic
    assert axis({"kind": "noise", "seed": [1, 2]}).label == "noise: seed"


def test_the_default_sweeps_are_allowed(config):
    check_sweeps(config["analyses"]["sweeps"])


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"kind": "rotation", "angle": 45}, "sweeps.x: lists of values under no key"),
        ({**NOISE, "gain": [1, 2]}, "under level, gain: exactly one"),
        ({**ANGLE, "angle": [45]}, r"values \[45\]: at least two different"),
        ({**NOISE, "level": 0.5, "formula": ["physical", "legacy"]}, "two different numbers"),
        ({**ANGLE, "angle": [45, 45]}, "at least two different"),
        ({**NOISE, "level": [0, 1.5]}, "level 1.5: allowed is a number from 0 to below 1"),
        ({"kind": "fog", "level": [0, 1]}, "degradation kind 'fog'"),
        ({"kind": "noise", "level": [0, 0.5]}, "needed are formula, level, seed"),
    ],
)
def test_a_wrong_sweep_is_named(sweep, message):
    with pytest.raises(InputError, match=message):
        check_sweeps({"x": sweep})

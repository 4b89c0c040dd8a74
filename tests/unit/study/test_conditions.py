"""What a config may do to the test images."""

import pytest

from equimorph.errors import InputError
from equimorph.study.conditions import check_condition, check_spec, steps_of
from tests.unit.robustness.images import PHYSICAL, ROTATION


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "kind None: allowed are none, "),
        ({"kind": "blur"}, "kind 'blur'"),
        ({"kind": "none", "seed": 1}, "it has no keys; given are seed"),
        ({"kind": "rotation"}, "needed are seed or angle, allowed are angle, seed"),
        ({"kind": "rotation", "angle": "90"}, "angle '90': allowed is a finite number"),
        ({"kind": "rotation", "angle": float("inf")}, "angle inf"),
        ({"kind": "rotation", "seed": -1}, "seed -1: allowed is an integer from 0 up"),
        ({"kind": "rotation", "seed": True}, "seed True"),
        ({"kind": "rotation", "seed": 1.5}, "seed 1.5"),
        ({"kind": "noise", "level": 0.5, "seed": 1}, "needed are formula, level, seed"),
        ({**PHYSICAL, "formula": "gauss"}, "formula 'gauss': allowed is one of physical, legacy"),
        ({**PHYSICAL, "level": 1}, "level 1: allowed is a number from 0 to below 1"),
        ({**PHYSICAL, "gain": 0}, "gain 0"),
        ({**PHYSICAL, "snr": 3}, "allowed are formula, gain, level, seed"),
        ({"kind": "resolution", "scale": 0}, "scale 0: allowed is a number above 0, up to 1"),
        ({"kind": "resolution", "scale": 1.5}, "scale 1.5"),
        ({"kind": "resolution", "scale": None}, "scale None"),
        ({"kind": "resolution", "scale": 0.5, "antialias": 1}, "antialias 1: allowed is true or"),
        ({"kind": "white_pixel"}, "needed are seed"),
    ],
)
def test_a_wrong_spec_is_named(spec, message):
    with pytest.raises(InputError, match=message):
        check_spec(spec)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ([], "no degradation: allowed are one, or a list of at least one"),
        ([PHYSICAL, {"kind": "none"}], "number 2: degradation none: a list holds only"),
        ([PHYSICAL, {"kind": "rotation"}], "number 2: .* needed are seed or angle"),
    ],
)
def test_a_wrong_list_is_named(condition, message):
    with pytest.raises(InputError, match=message):
        check_condition(condition)


def test_steps_of_a_condition():
    check_condition(PHYSICAL)
    assert steps_of(PHYSICAL) == [PHYSICAL]
    check_condition([ROTATION, PHYSICAL])
    assert steps_of([ROTATION, PHYSICAL]) == [ROTATION, PHYSICAL]

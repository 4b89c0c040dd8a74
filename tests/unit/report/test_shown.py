"""The networks that figures of analyses show in detail."""

import pytest

from equimorph.report.shown import shown

METRICS = {"validation_choice": {"best_equivariant": "D4"}, "reference": "CNN", "models": {}}


@pytest.mark.parametrize(
    ("analysed", "expected"),
    [
        (["CNN", "C4", "D4"], ["D4", "CNN"]),
        (["CNN", "C4"], ["C4", "CNN"]),
        (["C8", "C4"], ["C8", "C4"]),
        (["C8"], ["C8"]),
        (["CNN"], ["CNN"]),
    ],
)
def test_the_best_and_the_reference_where_they_were_analysed(analysed, expected):
    assert shown(METRICS, analysed) == expected

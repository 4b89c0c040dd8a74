"""Say in words what a condition does to the test images."""

from typing import Any

from equimorph.robustness.degradations import find


def describe_condition(specification: dict[str, Any] | None) -> str:
    """Say what a condition does to the test images; None is the test set as taken."""
    if specification is None or specification["kind"] == "none":
        return "the test images as they are"
    return find(specification["kind"]).describe(specification)

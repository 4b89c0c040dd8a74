"""Say in words what a condition does to the test images."""

from equimorph.robustness.degradations import find
from equimorph.study.conditions import Condition, steps_of


def describe_condition(condition: Condition | None) -> str:
    """Say what a condition does to the test images; None is the test set as taken."""
    steps = [] if condition is None else steps_of(condition)
    if not steps or steps[0]["kind"] == "none":
        return "the test images as they are"
    return ", then ".join(find(step["kind"]).describe(step) for step in steps)

"""Say in words what a condition does to the test images."""

from typing import Any

from equimorph.report import wording


def describe_condition(name: str, specification: dict[str, Any] | None) -> str:
    """Say what a condition does to the test images."""
    spec = specification or {"kind": "none"}
    if spec["kind"] == "none":
        return "the test images as they are"
    if spec["kind"] == "rotation":
        if "angle" in spec:
            return f"each image turned by {spec['angle']:g}°"
        return "each image turned by a random angle of its own"
    if spec["kind"] == "noise":
        level = wording.percent(spec["level"], 0)
        if spec["formula"] == "physical":
            return f"photon noise added until the signal-to-noise ratio is {level} % lower"
        return f"Poisson counts added by the published study's formula, level {level} %"
    if spec["kind"] == "resolution":
        scale = wording.percent(spec["scale"], 0)
        return f"resolution lowered to {scale} %, at the same image size"
    return ", ".join(f"{key} {value}" for key, value in spec.items())

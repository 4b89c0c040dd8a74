"""Say in words what is done to images before a network sees them."""

from typing import Any

_NORMALISED = {
    "symmetric": "Pixel values become numbers from -1 to 1.",
    "unit": "Pixel values become numbers from 0 to 1.",
    "imagenet": "Pixel values are normalised by ImageNet's statistics.",
}
_STARS = {
    "seeing": "Field stars gave way to the sky around them.",
    "brightest": "Compact bright regions off the centre gave way to the image's median.",
}


def describe_images(config: dict[str, Any]) -> list[str]:
    """Return sentences on crop, resizing, mask, normalisation and field stars.

    Args:
        config: the study's whole config.
    """
    network, stars = config["network"], config["data"]["stars"]
    crop = f"cropped to the central {100 * network['crop']:.1f} % of their side and "
    cropped = crop if network["crop"] < 1 else ""
    smoothed = "" if network["antialias"] else ", without smoothing,"
    sentences = [
        f"Images are {cropped}resized{smoothed} to each network's input size, given in the table, "
        f"{_mask(config)}"
    ]
    if network["normalise"] in _NORMALISED:
        sentences.append(_NORMALISED[network["normalise"]])
    if stars["remove"]:
        sentences.append(_STARS[stars["kind"]])
    return sentences


def _mask(config: dict[str, Any]) -> str:
    own = {name: entry["mask"] for name, entry in config["models"].items() if "mask" in entry}
    open_to_all = config["network"]["mask"] == "none"
    if not open_to_all and not own:
        return (
            "and every network sees them through the same circular mask, because the corners "
            "change when an image is rotated."
        )
    if open_to_all and not own:
        return "and every network sees their corners, too, which change when an image is rotated."
    others = "all of the image" if open_to_all else "it through a circular mask"
    single = ", ".join(f"{name} ({mask})" for name, mask in own.items())
    return f"and networks see {others}, except those with a mask of their own: {single}."

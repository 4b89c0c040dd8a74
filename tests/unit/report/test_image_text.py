"""The report says what networks see of an image, as the config has it."""

import pytest

from equimorph.report.image_text import describe_images
from equimorph.study.yaml_files import merged


def said(config, **changes):
    return " ".join(describe_images(merged(config, changes)))


def test_the_default_study(config):
    assert said(config) == (
        "Images are resized to each network's input size, given in the table, and every network "
        "sees them through the same circular mask, because the corners change when an image is "
        "rotated."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"network": {"crop": 0.5}}, "cropped to the central 50.0 % of their side and resized"),
        ({"network": {"antialias": False}}, "resized, without smoothing, to each"),
        ({"network": {"mask": "none"}}, "every network sees their corners, too"),
        ({"network": {"normalise": "symmetric"}}, "numbers from -1 to 1."),
        ({"network": {"normalise": "unit"}}, "numbers from 0 to 1."),
        ({"network": {"normalise": "imagenet"}}, "ImageNet's statistics."),
        (
            {"models": {"CNN": {"architecture": "cnn", "mask": "none"}}},
            "see it through a circular mask, except those with a mask of their own: CNN (none).",
        ),
        ({"data": {"stars": {"remove": True}}}, "gave way to the sky around them."),
        ({"data": {"stars": {"remove": True, "kind": "brightest"}}}, "the image's median."),
    ],
)
def test_what_differs_is_said(config, changes, expected):
    assert expected in said(config, **changes)

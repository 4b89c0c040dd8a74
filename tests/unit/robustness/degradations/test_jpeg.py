"""JPEG: what the file's reader sees, and less of it at lower quality."""

import io

import numpy as np
from PIL import Image

from equimorph.robustness.degrade import degrade
from tests.unit.robustness.images import flat, smooth_images


def compressed(images, quality):
    return degrade(images, np.arange(len(images)), kind="jpeg", quality=quality)


def test_pixels_are_those_of_the_file():
    image = smooth_images(1, 64)[0]
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=40)  # Pillow's default is 4:2:0, too
    np.testing.assert_array_equal(compressed(image[None], 40)[0], np.asarray(Image.open(file)))


def test_lower_quality_loses_more():
    images = smooth_images(2, 65)
    images[:, 20:30, 20:30] = [200, 40, 90]
    lost = [
        np.abs(compressed(images, quality).astype(float) - images).mean() for quality in (95, 50, 5)
    ]
    assert lost[0] < lost[1] < lost[2]
    np.testing.assert_array_equal(compressed(flat(128), 75), flat(128))

"""S2's star filter: the rule, region by region, and what it does to real images."""

import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from equimorph.data.brightest import remove_brightest
from equimorph.data.star_filters import FILTERS
from equimorph.data.stars import remove_stars

SIZE, SKY = 200, 30


def picture(*regions, peak=(200, 180, 90)):
    """A flat sky with bright rectangles (row, column, height, width)."""
    image = np.full((SIZE, SIZE, 3), SKY, np.uint8)
    for row, column, height, width in regions:
        image[row : row + height, column : column + width] = peak
    return image


def holes(image):
    return (remove_brightest(image) != image).any(axis=2)


def test_a_compact_region_and_two_pixels_around_it_become_the_median():
    image = picture((40, 50, 6, 6))
    image[38:40, 50:56] = 31  # within two pixels of the star
    assert (remove_brightest(image)[36:50, 46:60] == SKY).all()
    assert image[40, 50, 0] == 200  # the image that was given stays


@pytest.mark.parametrize(
    ("region", "goes"),
    [
        ((40, 50, 1, 1), False),  # one pixel
        ((40, 50, 1, 2), False),  # an aspect of 2 is too long
        ((40, 50, 2, 2), True),
        ((40, 50, 9, 11), True),  # 99 px
        ((40, 50, 10, 10), False),  # 100 px
        ((40, 50, 5, 9), True),
        ((40, 50, 5, 10), False),
        ((97, 97, 6, 6), False),  # at the centre
        ((97, 117, 6, 6), False),  # 19.5 px from it, of 20
        ((97, 119, 6, 6), True),  # 21.5 px
    ],
)
def test_which_regions_are_stars(region, goes):
    assert holes(picture(region)).any() == goes


def test_regions_hang_together_by_sides_and_are_judged_by_their_outline():
    image = picture((40, 50, 6, 10), (46, 60, 6, 10))  # 60 px each, which touch at a corner
    assert holes(image).sum() == 120
    comb = picture(*((40, column, 9, 1) for column in range(50, 59, 2)), (48, 50, 1, 9))
    mask = (comb[38:52, 48:62] > SKY).any(axis=2)
    area = mask.sum()
    grown = np.zeros_like(mask)
    for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
        grown |= np.roll(mask, shift, axis)
    perimeter = (grown & ~mask).sum()
    assert 4 * math.pi * area / perimeter**2 < 0.3 and area < 100
    assert not holes(comb).any()


def test_every_image_has_candidates_and_real_galaxies_lose_one_pixel_in_a_hundred(real_images):
    share = np.mean([holes(image) for image in real_images])
    assert share == pytest.approx(0.0097, abs=0.004)  # measured with S2's own code: 0.97 %


def test_the_filters_by_name():
    image, draw = picture((40, 50, 6, 6)), np.random.default_rng
    assert np.array_equal(FILTERS["brightest"](image, 0.262, draw(0)), remove_brightest(image))
    assert np.array_equal(
        FILTERS["seeing"](image, 0.262, draw(0)), remove_stars(image, 0.262, draw(0))
    )


@pytest.fixture(scope="module")
def real_images(real_sample):
    """Every eighth image of the real sample."""
    rows = pd.read_csv(real_sample / "manifest.csv")["path"][::8]
    return [np.asarray(Image.open(real_sample / row).convert("RGB")) for row in rows]

"""Field stars go; the galaxy, its companions and its knots stay."""

import numpy as np
import pytest

from equimorph.data.stars import remove_stars
from equimorph.errors import InputError

SIZE, SCALE = 256, 0.262
SKY, NOISE = 32.0, 6.0
SEEING_SIGMA = 1.3 / SCALE / 2.355  # px
CENTRE = (SIZE - 1) / 2
RED = np.array([1.5, 1.0, 0.5])


def distance(row, column, axis_ratio=1.0):
    rows, columns = np.indices((SIZE, SIZE), dtype=float)
    return np.hypot((rows - row) / axis_ratio, columns - column)


def star(row, column, peak):
    """A Gaussian as wide as the seeing; with a peak above 223 it saturates on the sky."""
    return peak * np.exp(-(distance(row, column) ** 2) / (2 * SEEING_SIGMA**2))


def disc(row, column, peak, scale, axis_ratio=1.0):
    return peak * np.exp(-distance(row, column, axis_ratio) / scale)


def galaxy():
    return disc(CENTRE, CENTRE, 160, 12, axis_ratio=0.7)


def picture(*lights, colour=RED, noise=NOISE, seed=0):
    """Return the image of a scene: noise over SKY, the sum of the lights in one colour."""
    rng = np.random.default_rng(seed)
    levels = SKY + noise * rng.standard_normal((SIZE, SIZE, 3))
    levels += sum(lights, np.zeros((SIZE, SIZE)))[..., None] * colour
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def cleaned(image, seed=1):
    return remove_stars(image, SCALE, np.random.default_rng(seed))


def near(row, column, radius):
    return distance(row, column) < radius


def light_at(image, row, column, radius=6):
    """Mean light above the sky in a circle, in pixel values."""
    return image[near(row, column, radius)].mean() - SKY


STARS = [(40, 40, 60), (60, 200, 120), (210, 128, 40), (200, 220, 180)]


@pytest.fixture
def starry():
    return picture(galaxy(), *(star(*where) for where in STARS))


def test_isolated_stars_go(starry):
    after = cleaned(starry)
    for row, column, _ in STARS:
        assert light_at(starry, row, column) > 8
        assert abs(light_at(after, row, column)) < 2


def test_the_galaxy_keeps_its_light(starry):
    after = cleaned(starry)
    assert np.array_equal(after[near(CENTRE, CENTRE, 25)], starry[near(CENTRE, CENTRE, 25)])
    body = near(CENTRE, CENTRE, 45)
    before = (starry[body] - SKY).sum()
    assert (after[body] - SKY).sum() == pytest.approx(before, rel=0.01)


def test_holes_are_filled_with_noise_like_the_skys(starry):
    after = cleaned(starry).astype(float)
    for row, column, _ in STARS:
        hole = after[near(row, column, 5)]
        assert hole.std() == pytest.approx(NOISE, rel=0.25)


def test_noise_keeps_its_correlations():
    rng = np.random.default_rng(4)
    common = rng.standard_normal((SIZE + 1, SIZE))
    correlated = SKY + NOISE * ((common[1:] + common[:-1]) / np.sqrt(2))[..., None] + np.zeros(3)
    bright = star(60, 60, 1e9)
    image = np.clip(np.rint(correlated + bright[..., None]), 0, 255).astype(np.uint8)
    hole = cleaned(image)[52:69, 52:69].astype(float)
    assert image[52:69, 52:69].min() > 150
    assert np.array_equal(hole[..., 0], hole[..., 1])
    down = np.corrcoef(hole[1:, :, 0].ravel(), hole[:-1, :, 0].ravel())[0, 1]
    along = np.corrcoef(hole[:, 1:, 0].ravel(), hole[:, :-1, 0].ravel())[0, 1]
    assert down == pytest.approx(0.5, abs=0.2) and along == pytest.approx(0, abs=0.2)


def test_bright_saturated_stars_go():
    halo = 30 / (1 + (distance(50, 60) / 8) ** 2) ** 2
    image = picture(galaxy(), star(50, 60, 3e4), halo)
    assert (image[near(50, 60, 40)].max(axis=1) == 255).sum() > 100
    assert abs(light_at(cleaned(image), 50, 60, radius=10)) < 2


@pytest.mark.parametrize("gap", [30, 60], ids=["touching", "apart"])
def test_companions_stay(gap):
    companion = disc(CENTRE + gap, CENTRE + gap, 90, 6)
    image = picture(galaxy(), companion)
    assert np.array_equal(cleaned(image), image)


def test_stars_on_the_galaxy_stay():
    image = picture(galaxy(), star(CENTRE + 20, CENTRE, 150))
    assert np.array_equal(cleaned(image), image)


def test_knots_in_faint_light_stay():
    """Knots outside the galaxy's outline, in a disc of 1.5 noise, where an outline is at 3."""
    faint = 3.0 * (distance(CENTRE, CENTRE) < 95)
    knots = [star(CENTRE + 70, CENTRE, 35), star(CENTRE - 50, CENTRE - 50, 35)]
    image = picture(galaxy(), faint, *knots)
    assert np.array_equal(cleaned(image), image)
    without = picture(galaxy(), *knots)
    assert not np.array_equal(cleaned(without), without)


def test_an_object_off_the_centre_stays():
    image = picture(disc(CENTRE + 14, CENTRE - 10, 120, 3))
    assert np.array_equal(cleaned(image), image)


@pytest.mark.parametrize("level", [0, 32, 255])
def test_flat_images_are_left_alone(level):
    image = np.full((SIZE, SIZE, 3), level, np.uint8)
    assert np.array_equal(cleaned(image), image)


def test_noise_alone_is_left_alone():
    image = picture()
    assert np.array_equal(cleaned(image), image)


def test_the_same_stream_gives_the_same_image(starry):
    before = starry.copy()
    assert np.array_equal(cleaned(starry), cleaned(starry))
    assert not np.array_equal(cleaned(starry), cleaned(starry, seed=2))
    assert np.array_equal(starry, before)


def test_floats_stay_floats(starry):
    after = cleaned(starry.astype(np.float32))
    assert after.dtype == np.float32
    assert np.abs(after - cleaned(starry)).max() <= 0.5001


def test_rectangular_images_are_cleaned(starry):
    after = remove_stars(starry[:, 20:], SCALE, np.random.default_rng(0))
    assert abs(light_at(np.pad(after, ((0, 0), (20, 0), (0, 0))), 60, 200)) < 2


@pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf])
def test_impossible_pixel_scales_are_refused(scale, starry):
    with pytest.raises(InputError, match="pixel scale .*: allowed are numbers above 0"):
        remove_stars(starry, scale, np.random.default_rng(0))


def test_grey_images_are_refused(starry):
    with pytest.raises(InputError, match=r"shape \(256, 256\): allowed is \(H, W, 3\)"):
        remove_stars(starry[..., 0], SCALE, np.random.default_rng(0))


def test_most_of_a_real_image_is_untouched(real_sample):
    from PIL import Image

    image = np.asarray(Image.open(sorted(real_sample.glob("2_*/*.jpg"))[0]))
    after = cleaned(image)
    changed = (after != image).any(axis=2)
    assert 0 < changed.mean() < 0.1
    assert not changed[near(CENTRE, CENTRE, 20)].any()

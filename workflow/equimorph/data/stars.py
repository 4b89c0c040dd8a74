"""Removal of field stars from cut-outs: compact, isolated sources give way to the sky around them.

This is what S2's preprocessing meant to do, whose candidates are the brightest 3 % of the pixels of
every image, whatever they show (it replaces 0.97 % of the pixels of real images). Here a source
must stand out of the sky's noise, be as small as the seeing, or saturated and round as bright stars
are, and lie clear of the galaxy: whatever touches the object at the centre, or sits in its faint
light, stays.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from equimorph.errors import InputError

SEEING = 1.3  # arcsec, full width at half maximum in DECaLS
TARGET_RADIUS = 5.0  # arcsec: what reaches into this circle belongs to the object at the centre

# Signal-to-noise, after smoothing with the seeing, of a source's outline and of its peak.
OUTLINE, PEAK = 3.0, 6.0
# Largest diameter of a faint star at half of its peak, in units of SEEING, which varies.
COMPACT = 1.3
# The Legacy Surveys show a flux f as 57 asinh(20 f) pixel values, so bright stars look wider.
STRETCH = 57
ROUND, ROUND_SATURATED = 0.7, 0.8  # least axis ratio
SATURATED = 250
# Least diameter of a bright star's saturated core over that at half of its peak; 0.5 to 0.7 in
# Galaxy10, while round galaxies that saturate have less than 0.37.
PLATEAU = 0.4
# Least share of stars in the light of touching sources; below it, all of them stay.
STAR_SHARE = 0.7
WINGS = 0.02  # of a star's peak, further out than its outline
ROUNDING_NOISE = 12**-0.5

_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True)
class _Field:
    """An image taken apart; lengths in px, light in pixel values, averaged over the channels.

    Attributes:
        fwhm: the seeing.
        noise: standard deviation of the sky in `smooth`.
        smooth: (H, W) light above the sky, smoothed with the seeing.
        sharp: the same, but smoothed by less than half of it.
        saturated: (H, W) where a channel reaches SATURATED.
        parts: (H, W) labels of the connected regions brighter than the outline; 0 is sky.
        target: (H, W) the object at the centre and all that touches it.
        blank: (H, W) free of sources and their wings.
        background: (H, W, 3) the sky and faint light, interpolated under the sources.
        embedding: (H, W) background above the sky.
    """

    fwhm: float
    noise: float
    smooth: np.ndarray
    sharp: np.ndarray
    saturated: np.ndarray
    parts: np.ndarray
    target: np.ndarray
    blank: np.ndarray
    background: np.ndarray
    embedding: np.ndarray


def remove_stars(image: np.ndarray, pixel_scale: float, rng: np.random.Generator) -> np.ndarray:
    """Replace field stars by the local background with noise taken from the image's own sky.

    Use it at the original resolution: where a pixel is as wide as the seeing, small galaxies look
    like stars.

    Args:
        image: (H, W, 3) pixel values 0-255, uint8 or float.
        pixel_scale: arcsec per pixel.
        rng: this image's random stream, for the noise.

    Returns:
        A new image of the same shape and type; pixels outside the stars are untouched.

    Raises:
        InputError: the shape or the pixel scale is not allowed.
    """
    if image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"image of shape {image.shape}: allowed is (H, W, 3).")
    if not 0 < pixel_scale < math.inf:
        raise InputError(f"pixel scale {pixel_scale}: allowed are numbers above 0, in arcsec.")
    field = _take_apart(image, pixel_scale)
    stars = _stars(field)
    wings = _grow(stars, field.fwhm / 2) & (field.parts == 0) & ~field.target
    holes = stars | wings
    cleaned = image.copy()
    if holes.any() and field.blank.any():
        noise = _sky_noise(image - field.background, field.blank, holes, rng)
        filling = field.background[holes] + noise
        if image.dtype == np.uint8:
            filling = np.clip(np.rint(filling), 0, 255)
        cleaned[holes] = filling
    return cleaned


def _take_apart(image: np.ndarray, pixel_scale: float) -> _Field:
    fwhm = max(SEEING / pixel_scale, 2)  # px; no image resolves less than two pixels
    light = image.mean(axis=2, dtype=np.float64)
    sigma = fwhm / math.sqrt(8 * math.log(2))
    smooth = ndimage.gaussian_filter(light, sigma)
    sky, noise = _sky_level(smooth)
    parts, _ = ndimage.label(smooth > sky + OUTLINE * noise, _EIGHT)
    target = _target(parts, fwhm, TARGET_RADIUS / pixel_scale)
    blank = ~_grow((parts > 0) & ~target, fwhm / 2) & ~target
    background = _interpolate(image, blank, 2 * fwhm)
    return _Field(
        fwhm=fwhm,
        noise=noise,
        smooth=smooth - sky,
        sharp=ndimage.gaussian_filter(light, 0.4 * sigma) - sky,
        saturated=image.max(axis=2) >= SATURATED,
        parts=parts,
        target=target,
        blank=blank,
        background=background,
        embedding=background.mean(axis=2) - sky,
    )


def _sky_level(values: np.ndarray) -> tuple[float, float]:
    """Return level and standard deviation of the sky, from its lower half: galaxies only add."""
    low, high = -math.inf, math.inf
    for _ in range(10):
        kept = values[(values >= low) & (values <= high)]
        level = np.median(kept)
        noise = 1.4826 * np.median(level - kept[kept <= level])
        low, high = level - 3 * noise, level + 2.5 * noise
    return float(level), max(float(noise), ROUNDING_NOISE)


def _target(parts: np.ndarray, fwhm: float, radius: float) -> np.ndarray:
    """Return the parts that reach into the central circle, and those a seeing away from them."""
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in parts.shape)
    centre = np.hypot(rows[:, None], columns) < radius
    core = (parts > 0) & np.isin(parts, parts[centre])
    touched = np.unique(parts[_grow(core, fwhm)])
    return ndimage.binary_fill_holes(np.isin(parts, touched[touched > 0]))


def _stars(field: _Field) -> np.ndarray:
    """Return the (H, W) mask of the parts whose light comes from stars."""
    stars = np.zeros(field.parts.shape, bool)
    for number, box in enumerate(ndimage.find_objects(field.parts), start=1):
        if box is None:  # no pixel has this number
            continue
        part = field.parts[box] == number
        if field.target[box][part].any():
            continue
        light = np.where(part, field.sharp[box], 0)
        starlight = sum(
            light[source].sum()
            for source in _sources(part, field.smooth[box], light, field)
            if _is_star(source, light, field, box)
        )
        if starlight >= STAR_SHARE * light.sum():
            stars[box] |= part
    return stars


def _sources(
    part: np.ndarray, smooth: np.ndarray, light: np.ndarray, field: _Field
) -> list[np.ndarray]:
    """Split a part into the pixels nearest to each of its sources.

    A peak is a source of its own if the region above half of its light, which holds it, holds no
    brighter peak: knots of a galaxy are none.
    """
    smooth = np.where(part, smooth, 0)
    window = 2 * round(field.fwhm / 2) + 1
    highest = ndimage.maximum_filter(smooth, window)
    peaks = np.argwhere((smooth == highest) & (smooth > PEAK * field.noise))
    cores = np.zeros(part.shape, int)
    count = 0
    for peak in sorted(map(tuple, peaks), key=lambda peak: -smooth[peak]):
        regions, _ = ndimage.label(light > light[peak] / 2, _EIGHT)
        core = regions == regions[peak]
        if smooth[core].max() <= smooth[peak] and not cores[core].any():
            count += 1
            cores[core] = count
    if not count:
        return []
    nearest = ndimage.distance_transform_edt(
        cores == 0, return_distances=False, return_indices=True
    )
    owner = np.where(part, cores[tuple(nearest)], 0)
    return [owner == number for number in range(1, count + 1)]


def _is_star(source: np.ndarray, light: np.ndarray, field: _Field, box: tuple[slice, ...]) -> bool:
    peak = light[source].max()
    core = source & (light > peak / 2)
    if field.embedding[box][core].mean() > field.noise + WINGS * peak:
        return False
    roundness = _axis_ratio(core)
    diameter = _diameter(core)
    if diameter <= COMPACT * field.fwhm * _widening(peak):
        return roundness >= ROUND
    plateau = _diameter(source & field.saturated[box])
    return plateau >= PLATEAU * diameter and roundness >= ROUND_SATURATED


def _widening(peak: float) -> float:
    """Return how much the stretch widens a Gaussian at half of its peak, in pixel values."""
    return math.sqrt(math.log2(2 * math.cosh(peak / (2 * STRETCH))))


def _diameter(mask: np.ndarray) -> float:
    """Return the diameter, in px, of a disc with the mask's area."""
    return math.sqrt(4 * np.count_nonzero(mask) / math.pi)


def _axis_ratio(mask: np.ndarray) -> float:
    """Return minor over major axis of the mask's second moments."""
    moments = np.cov(np.argwhere(mask), rowvar=False, bias=True) + np.eye(2) / 12
    minor, major = np.linalg.eigvalsh(moments)
    return math.sqrt(minor / major)


def _grow(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the pixels within `radius`, in px, of the mask."""
    if not mask.any():
        return mask
    return ndimage.distance_transform_edt(~mask) <= radius


def _interpolate(image: np.ndarray, known: np.ndarray, sigma: float) -> np.ndarray:
    """Return the (H, W, 3) Gaussian-weighted mean of the known pixels around each pixel.

    Where none is near, inside holes wider than the filter, it goes over to the image's median.
    """
    weight = ndimage.gaussian_filter(known.astype(float), sigma)[..., None]
    light = ndimage.gaussian_filter(np.where(known[..., None], image, 0.0), (sigma, sigma, 0))
    far = 1e-3
    return (light + far * np.median(image, axis=(0, 1))) / (weight + far)


def _sky_noise(
    residual: np.ndarray, blank: np.ndarray, holes: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return noise for the pixels of the holes, cut from the image's own blank sky.

    The whole image is laid over itself, shifted at random, until blank sky has covered every hole.
    Neighbouring pixels and the three channels stay correlated as they are (about 0.45 and 0.8 in
    Galaxy10), which drawn white noise would not be.

    Args:
        residual: (H, W, 3) image minus background.
        blank: (H, W) pixels to take noise from; at least one.
        holes: (H, W) pixels to find noise for.
        rng: draws the shifts.

    Returns:
        (pixels in holes, 3) array in the order of `residual[holes]`.
    """
    rows, columns = np.nonzero(holes)
    noise = np.empty((len(rows), 3))
    empty = np.ones(len(rows), bool)
    while empty.any():
        down, right = rng.integers(holes.shape)
        source = (rows + down) % holes.shape[0], (columns + right) % holes.shape[1]
        ready = empty & blank[source]
        noise[ready] = residual[source][ready]
        empty &= ~ready
    return noise

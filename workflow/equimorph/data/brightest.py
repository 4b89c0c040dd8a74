"""S2's star filter as published: compact ones of an image's brightest regions become its median.

Every image has a brightest 3 %, whatever it shows, so knots of galaxies and companions go, too, and
the holes are flat: `stars` does what this was meant to do.
"""

import math

import numpy as np
from scipy import ndimage

LUMA = (0.299, 0.587, 0.114)  # Rec. 601
BRIGHTEST = 97  # per cent of the pixels that lie below those looked at
LEAST, MOST = 2, 100  # px of a star: LEAST is allowed, MOST is not
LONGEST = 2.0  # ratio of the sides of the box around a star, not reached
ROUNDEST = 0.3  # least 4 pi A / P^2, not reached
CENTRE = 0.1  # share of the image's side within which nothing is a star
GROWTH = 2  # px by which the holes are wider than the stars


def remove_brightest(image: np.ndarray) -> np.ndarray:
    """Replace compact bright regions off the centre by each channel's median outside them.

    A region is connected by its pixels' sides. Its perimeter P is the number of pixels that touch
    it, its area A that of its own.

    Args:
        image: (H, W, 3) uint8 or float.

    Returns:
        A new image of the same shape and type.
    """
    grey = image.astype(np.float64) @ LUMA
    regions, _ = ndimage.label(grey > np.percentile(grey, BRIGHTEST))
    stars = np.zeros(grey.shape, bool)
    for number, box in enumerate(ndimage.find_objects(regions), start=1):
        region = np.pad(regions[box] == number, 1)
        place = ndimage.center_of_mass(region)
        row, column = (edge.start + at - 1 for edge, at in zip(box, place, strict=True))
        distance = math.hypot(row - grey.shape[0] / 2, column - grey.shape[1] / 2)
        if distance > CENTRE * min(grey.shape) and _is_compact(region):
            stars[box] |= region[1:-1, 1:-1]
    holes = ndimage.binary_dilation(stars, iterations=GROWTH) if stars.any() else stars
    cleaned = image.copy()
    if holes.any():
        cleaned[holes] = np.median(image[~holes], axis=0).astype(image.dtype)
    return cleaned


def _is_compact(region: np.ndarray) -> bool:
    """Tell whether a region, with a margin of a pixel around it, has the size and shape of a star.

    Args:
        region: (h, w) mask.
    """
    area = np.count_nonzero(region)
    if not LEAST <= area < MOST:
        return False
    perimeter = np.count_nonzero(ndimage.binary_dilation(region)) - area
    height, width = region.shape[0] - 2, region.shape[1] - 2
    elongation = max(height, width) / min(height, width)
    return bool(elongation < LONGEST and 4 * math.pi * area / perimeter**2 > ROUNDEST)

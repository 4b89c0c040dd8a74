"""Light profiles of galaxies: surface brightness, not normalised, on arcsec coordinates.

Every function takes coordinate arrays of one shape and returns an array of that shape. Scalars stay
Python floats, so that float32 coordinates give float32 light.
"""

import math

import numpy as np
from scipy.special import k1


def axis_coordinates(
    x: np.ndarray, y: np.ndarray, angle: float, x0: float = 0.0, y0: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates along and across an axis at `angle` (radians) through (x0, y0)."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return (x - x0) * cosine + (y - y0) * sine, (y - y0) * cosine - (x - x0) * sine


def elliptical_radius(u: np.ndarray, v: np.ndarray, q: float, power: float = 2.0) -> np.ndarray:
    """Return the semi-major radius of the ellipse through (u, v); `power` > 2 makes it boxy."""
    if power == 2.0:
        return np.hypot(u, v / q)
    return (np.abs(u) ** power + np.abs(v / q) ** power) ** (1 / power)


def sersic(radius: np.ndarray, r_e: float, n: float) -> np.ndarray:
    """Return a Sersic (1963) profile with effective radius `r_e`, softened within 0.1 arcsec.

    b(n) is the expansion of Ciotti and Bertin (1999, A&A 352, 447), good for n > 0.4.
    """
    b = 2 * n - 1 / 3 + 4 / (405 * n) + 46 / (25515 * n**2)
    return np.exp(-b * (np.sqrt(radius**2 + 0.01) / r_e) ** (1 / n))


def disc(radius: np.ndarray, h: float, truncation: float) -> np.ndarray:
    """Return an exponential disc of scale length `h` that ends softly at `truncation` (arcsec)."""
    return np.exp(-radius / h) / (1 + np.exp(np.clip((radius - truncation) / (0.15 * h), -30, 30)))


def edge_on_disc(u: np.ndarray, v: np.ndarray, h: float, z0: float, end: float) -> np.ndarray:
    """Return an exponential disc seen edge-on, (u/h) K1(u/h) sech^2(v/z0), ending near `end`.

    Source: van der Kruit and Searle (1981), A&A 95, 105.
    """
    along = np.maximum(np.abs(u) / h, 1e-3)
    edge = 1 / (1 + np.exp(np.clip((np.abs(u) - end) / (0.2 * h), -30, 30)))
    return along * k1(along) * edge / np.cosh(np.minimum(np.abs(v) / z0, 30)) ** 2


def bar(u: np.ndarray, v: np.ndarray, length: float, q: float) -> np.ndarray:
    """Return a boxy bar of half-length `length` with flat light along it and a soft end."""
    return np.exp(-((elliptical_radius(u, v, q, 2.6) / (0.8 * length)) ** 2.4))


def spiral_ridge(
    radius: np.ndarray,
    azimuth: np.ndarray,
    arms: int,
    pitch: float,
    r0: float,
    sharpness: float,
    wobble: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Return logarithmic spiral arms, 1 on the ridges, which cross azimuth 0 at radius `r0`.

    Args:
        radius: radius in the disc plane.
        azimuth: azimuth in the disc plane, radians.
        arms: number of arms.
        pitch: pitch angle in radians; its sign is the handedness.
        r0: radius in arcsec at which one ridge has azimuth 0.
        sharpness: concentration of the von Mises cross-section of an arm.
        wobble: phase error in radians; breaks the symmetry between the arms.
    """
    winding = np.log(np.maximum(radius, 0.05) / r0) / math.tan(pitch)
    return np.exp(sharpness * (np.cos(arms * (azimuth - winding) + wobble) - 1))


def tail(
    radius: np.ndarray,
    azimuth: np.ndarray,
    pitch: float,
    start: float,
    length: float,
    width: float,
) -> np.ndarray:
    """Return one curved tidal tail that leaves azimuth 0 at radius `start` (arcsec).

    It follows a logarithmic spiral of `pitch` (radians, signed), widens and fades outwards over
    `length` arcsec.
    """
    winding = np.log(np.maximum(radius, 0.05) / start) / math.tan(pitch)
    offset = np.remainder(azimuth - winding + np.pi, 2 * np.pi) - np.pi
    across = offset * radius * math.sin(abs(pitch)) / (width * (0.6 + 0.4 * radius / start))
    out = (radius - start) / length
    along = np.exp(-(np.maximum(out, 0) ** 2) - (np.minimum(out, 0) * length / width) ** 2)
    return along * np.exp(-(across**2) / 2)


def ripple(
    x: np.ndarray, y: np.ndarray, scale: float, rng: np.random.Generator, waves: int = 8
) -> np.ndarray:
    """Return a smooth random field of zero mean and unit variance, structure size `scale`."""
    field = np.zeros_like(x)
    for _ in range(waves):
        angle, phase = rng.uniform(0, 2 * math.pi, 2).tolist()
        wavenumber = 2 * math.pi / (scale * rng.uniform(1.2, 3.0))
        field += np.cos(
            (wavenumber * math.cos(angle)) * x + (wavenumber * math.sin(angle)) * y + phase
        )
    return field * math.sqrt(2 / waves)

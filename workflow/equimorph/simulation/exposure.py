"""A simulated patch of a grz imaging survey: light in, an 8-bit colour image out.

Fluxes are in nanomaggies (AB magnitude 22.5 - 2.5 log10 flux), surface brightness is per native
pixel of 0.262 arcsec, and bands stand in the order of the colour channels: z, r, g. The stretch is
that of the Legacy Surveys' cut-outs (after Lupton et al. 2004, PASP 116, 133, with Q = 20, m = 0.03
and weights z 2.2, r 3.4, g 6.0); an empty sky has the pixel value 32.4, and the median of the real
sample's image corners is 33, 32 and 32.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.fft import irfft2, next_fast_len, rfft2, rfftfreq

from equimorph.simulation.profiles import axis_coordinates, elliptical_radius, sersic

FIELD = 67.1  # arcsec on a side, as 256 pixels of 0.262 arcsec
NATIVE_PIXEL = 0.262
RENDER_PIXEL = 0.52  # at most this many arcsec: a PSF of 1.4 arcsec needs 2.5 pixels
SEEING = 1.4  # arcsec FWHM

STRETCH_Q = 20.0
STRETCH_FLOOR = 0.03
WEIGHTS = np.array([2.2, 3.4, 6.0], dtype=np.float32)[:, None, None]

# Sky brightness per native pixel (19.0, 21.0, 22.0 mag per square arcsec) sets how photon noise
# grows on bright light. The noise on empty sky is chosen, together with the unresolved sources,
# to meet blank 10x10 corners of the real sample at 65 pixels: standard deviations of 3.9, 2.8 and
# 3.1 pixel values (medians), a correlation of 0.35 to 0.47 between channels and of 0.47 between
# neighbouring pixels, a skewness of 0.8 to 1.0.
SKY = np.array([1.72, 0.273, 0.109], dtype=np.float32)[:, None, None]
# Weighted brightness on a 1 arcsec pixel, before NOISE_FWHM's smoothing.
NOISE = np.array([0.00495, 0.00345, 0.0039], dtype=np.float32)[:, None, None] / WEIGHTS
NOISE_SHARED = 0.7  # amplitude common to the bands, relative to each band's own
NOISE_FWHM = 1.1  # arcsec: co-adding resamples
# Left by sky subtraction, weighted brightness: 0.001 is a pixel value of 1 on empty sky.
SKY_OFFSET = np.array([-0.0003, -0.0009, -0.0009])[:, None, None]
EXTINCTION = np.array([0.55, 1.0, 1.4], dtype=np.float32)[:, None, None]  # relative to r


class Grid:
    """Pixel coordinates of one image size, finer than the image and with a margin around it.

    Attributes:
        size: pixels along the image.
        x: arcsec to the right of the centre, (n, n) float32.
        y: arcsec below the centre, (n, n) float32.
        step: arcsec per fine pixel.
        fine: fine pixels along one image pixel.
        margin: fine pixels cut off at each side.
    """

    def __init__(self, size: int):
        self.size = size
        self.fine = max(1, math.ceil(FIELD / size / RENDER_PIXEL - 0.05))
        self.step = FIELD / (size * self.fine)
        inner = size * self.fine
        # The margin keeps the periodic convolution from wrapping light into the picture.
        n = next_fast_len(inner + 2 * math.ceil(3.0 / self.step), real=True)
        n += (n - inner) % 2
        self.margin = (n - inner) // 2
        axis = ((np.arange(n) - (n - 1) / 2) * self.step).astype(np.float32)
        self.x, self.y = map(np.ascontiguousarray, np.broadcast_arrays(axis, axis[:, None]))
        frequency = np.fft.fftfreq(n, self.step)[:, None] ** 2 + rfftfreq(n, self.step) ** 2
        self._squared_frequency = frequency.astype(np.float32)

    def gaussian(self, fwhm: float) -> np.ndarray:
        """Return the transfer function of a Gaussian of `fwhm` arcsec."""
        sigma = fwhm / 2.3548
        return np.exp((-2 * math.pi**2 * sigma**2) * self._squared_frequency)

    def convolve(self, planes: np.ndarray, transfer: np.ndarray) -> np.ndarray:
        """Convolve (3, n, n) planes with transfer function(s) on the half-plane of `rfft2`."""
        return irfft2(rfft2(planes) * transfer, s=self.x.shape)


@lru_cache(maxsize=4)
def grid(size: int) -> Grid:
    """Return the shared, read-only grid of an image size."""
    return Grid(size)


class Exposure:
    """Collects the light of one field and takes its picture."""

    def __init__(self, size: int, rng: np.random.Generator):
        self.grid = grid(size)
        self.rng = rng
        self.light = np.zeros((3, *self.grid.x.shape), dtype=np.float32)
        self._per_native = (NATIVE_PIXEL / self.grid.step) ** 2

    def frame(
        self, angle: float, x0: float = 0.0, y0: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return coordinates along and across an axis at `angle` (radians) through (x0, y0)."""
        return axis_coordinates(self.grid.x, self.grid.y, angle, x0, y0)

    def add(
        self, profile: np.ndarray, mag: float, g_r: float, dust: np.ndarray | None = None
    ) -> None:
        """Add a profile of any scale as a component of total r magnitude `mag`, colour `g_r`.

        Args:
            profile: (n, n) light distribution, >= 0.
            mag: r magnitude of its sum before extinction.
            g_r: colour in magnitudes; r - z follows from it.
            dust: (n, n) optical depth in r, or None.
        """
        scale = self._per_native / max(float(profile.sum()), 1e-9)
        # r - z of the real sample's galaxies follows g - r this closely.
        r_z = 0.08 + 0.6 * g_r + self.rng.normal(0, 0.03)
        flux = band_flux(mag, g_r, r_z).astype(np.float32)[:, None, None] * np.float32(scale)
        self.light += flux * (profile if dust is None else profile * np.exp(-EXTINCTION * dust))

    def add_points(self, x: np.ndarray, y: np.ndarray, flux: np.ndarray) -> None:
        """Add unresolved sources at (x, y) arcsec with (3, n) band fluxes, bilinear on the grid."""
        n = self.grid.x.shape[0]
        column, row = (v / self.grid.step + (n - 1) / 2 for v in (x, y))
        left, top = np.floor(column).astype(int), np.floor(row).astype(int)
        for j in (left, left + 1):
            for i in (top, top + 1):
                weight = (1 - np.abs(column - j)) * (1 - np.abs(row - i)) * self._per_native
                ok = (i >= 0) & (i < n) & (j >= 0) & (j < n)
                value = (flux * weight)[:, ok].astype(np.float32)
                for band, light in zip(self.light, value, strict=True):
                    np.add.at(band, (i[ok], j[ok]), light)

    def add_field(self) -> None:
        """Add foreground and background: stars, and galaxies near and far."""
        rng, half = self.rng, FIELD / 2 + 3
        stars = rng.poisson(math.exp(rng.normal(1.4, 0.7)))
        mag = power_law(rng, 15.5, 23.5, 0.20, stars)
        # Two branches of dwarf stars: F to K types, and M types, red in r - z.
        red = rng.random(stars) < 0.45
        g_r = np.where(red, rng.normal(1.4, 0.12, stars), rng.uniform(0.25, 1.1, stars))
        r_z = np.where(red, rng.uniform(0.7, 1.9, stars), 0.62 * g_r - 0.08)
        x, y = rng.uniform(-half, half, (2, stars))
        self.add_points(x, y, band_flux(mag, g_r, r_z))

        faint = rng.poisson(95)
        mag = power_law(rng, 21.3, 25.6, 0.33, faint)
        g_r, r_z = rng.normal(0.8, 0.45, faint), rng.normal(0.75, 0.4, faint)
        x, y = rng.uniform(-half, half, (2, faint))
        self.add_points(x, y, band_flux(mag, g_r, r_z))

        for mag in power_law(rng, 18.0, 21.3, 0.38, rng.poisson(3.0)).tolist():
            x0, y0 = rng.uniform(-half, half, 2).tolist()
            if math.hypot(x0, y0) < 7:
                continue  # a blend at the centre would change the galaxy's class
            radius = elliptical_radius(
                *self.frame(rng.uniform(0, math.pi), x0, y0), rng.uniform(0.3, 1.0)
            )
            size = 0.9 * 10 ** (0.13 * (20 - mag) + rng.normal(0, 0.15))
            self.add(sersic(radius, size, rng.uniform(0.8, 3)), mag, rng.normal(0.9, 0.3))

    def picture(self) -> np.ndarray:
        """Return the picture, (size, size, 3) float32 pixel values in [0, 255], not yet rounded.

        PSF, noise, stretch, block average.

        The survey's cut-outs are stretched at 0.262 arcsec and scaled down afterwards, so the
        average comes last here too.
        """
        g, rng = self.grid, self.rng
        seeing = SEEING * math.exp(rng.normal(0, 0.08))
        # A core with wings; sharper towards the red.
        widths = (0.93 * seeing, seeing, 1.08 * seeing * math.exp(rng.normal(0, 0.04)))
        psf = np.stack([0.8 * g.gaussian(w) + 0.2 * g.gaussian(2.2 * w) for w in widths])
        light = np.maximum(g.convolve(self.light, psf), 0)
        light += self._noise(light)
        light += (SKY_OFFSET + rng.normal(0, 0.0007, (3, 1, 1))).astype(np.float32) / WEIGHTS
        inner = slice(g.margin, g.margin + g.size * g.fine)
        image = stretch(light[:, inner, inner])
        image = image.reshape(3, g.size, g.fine, g.size, g.fine).mean((2, 4))
        return image.transpose(1, 2, 0) * 255

    def _noise(self, light: np.ndarray) -> np.ndarray:
        """Return sky and photon noise of a depth that differs from field to field, band to band."""
        rng = self.rng
        depth = np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.12, (3, 1, 1))).astype(np.float32)
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        noise += np.float32(NOISE_SHARED) * rng.standard_normal(light.shape[1:], dtype=np.float32)
        noise = self.grid.convolve(noise, self.grid.gaussian(NOISE_FWHM))
        return noise * (NOISE * depth / np.float32(self.grid.step)) * np.sqrt(1 + light / SKY)


def stretch(light: np.ndarray) -> np.ndarray:
    """Turn (3, n, n) surface brightness in z, r, g into red, green, blue in [0, 1]."""
    weighted = np.maximum(light * WEIGHTS + STRETCH_FLOOR, 0)
    mean = np.maximum(weighted.mean(0), 1e-6)
    return np.clip(weighted * (np.arcsinh(STRETCH_Q * mean) / (STRETCH_Q**0.5 * mean)), 0, 1)


def band_flux(
    mag: float | np.ndarray, g_r: float | np.ndarray, r_z: float | np.ndarray
) -> np.ndarray:
    """Return fluxes in z, r, g, (3, ...), from r magnitudes and colours."""
    return 10 ** (0.4 * (22.5 - np.stack([mag - r_z, mag, mag + g_r])))


def power_law(
    rng: np.random.Generator, bright: float, faint: float, slope: float, n: int
) -> np.ndarray:
    """Draw n magnitudes whose counts grow by `slope` dex per magnitude."""
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(rng.uniform(low, high, n)) / slope

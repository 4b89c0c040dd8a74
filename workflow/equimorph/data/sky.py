"""Galaxies on the sky: who is near whom, and who must stay together."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from equimorph.errors import InputError

ARCSEC = np.pi / 180 / 3600  # in radians
# Far below what any survey resolves, far above the rounding of unit vectors (1e-11 arcsec): two
# entries this close are one position, also across the poles and at right ascension 0 = 360.
SAME_POSITION_ARCSEC = 1e-6


def check_radius(radius_arcsec: float) -> None:
    """Raise InputError unless this is an angle on the sphere."""
    if not 0 <= radius_arcsec <= 180 * 3600:
        raise InputError(f"radius {radius_arcsec} arcsec: allowed is 0 to {180 * 3600} (180 deg).")


def pairs_within(
    ra: np.ndarray, dec: np.ndarray, radius_arcsec: float
) -> tuple[np.ndarray, np.ndarray]:
    """Find all pairs of galaxies within a radius on the sphere.

    Args:
        ra: (N,) right ascension in degrees, NaN where unknown.
        dec: (N,) declination in degrees, NaN where unknown.
        radius_arcsec: largest separation; 0 finds those at the same position.

    Returns:
        Row numbers (P, 2) int64 with the lower one first, in ascending order, and the separations
        (P,) in arcsec. A galaxy without coordinates is in no pair.

    Raises:
        InputError: the radius is negative or above 180 degrees.
    """
    check_radius(radius_arcsec)
    ra, dec = np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    known = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    points = _unit_vectors(ra[known], dec[known])
    angle = max(radius_arcsec, SAME_POSITION_ARCSEC) * ARCSEC
    found = cKDTree(points).query_pairs(2 * np.sin(angle / 2), output_type="ndarray")
    chord = np.linalg.norm(points[found[:, 0]] - points[found[:, 1]], axis=1)
    separation = 2 * np.arcsin(np.minimum(chord / 2, 1)) / ARCSEC
    pairs = np.sort(known[found], axis=1).reshape(-1, 2)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], separation[order]


def sky_groups(
    ra: np.ndarray, dec: np.ndarray, radius_arcsec: float, links: np.ndarray | None = None
) -> np.ndarray:
    """Join all galaxies that a chain of pairs within the radius, or of other pairs, connects.

    Args:
        ra: (N,) right ascension in degrees, NaN where unknown.
        dec: (N,) declination in degrees, NaN where unknown.
        radius_arcsec: largest separation of two links of the chain; 0: the same position.
        links: (P, 2) row numbers of other pairs that belong together.

    Returns:
        (N,) int64, for each galaxy the lowest row number of its group; one in no pair is its own
        group.
    """
    pairs, _ = pairs_within(ra, dec, radius_arcsec)
    if links is not None:
        pairs = np.concatenate([pairs, links])
    graph = coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(len(ra), len(ra)))
    _, component = connected_components(graph, directed=False)
    _, first, group = np.unique(component, return_index=True, return_inverse=True)
    return first[group].astype(np.int64)


def _unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Return (N, 3) unit vectors of positions in degrees."""
    longitude, latitude = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ],
        axis=1,
    )

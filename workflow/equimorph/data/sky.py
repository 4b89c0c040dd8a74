"""The catalogue's galaxies on the sky: who is near whom, and who must stay together."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from equimorph.errors import InputError

ARCSEC = np.pi / 180 / 3600  # in radians
# Far below what any survey resolves, far above the rounding of unit vectors (1e-11 arcsec): two
# entries this close are one position, also across the poles and at right ascension 0 = 360.
SAME_POSITION_ARCSEC = 1e-6
COLUMNS = ("index", "label", "class_name", "ra", "dec", "redshift", "pxscale")


def read_catalogue(path: str | Path) -> pd.DataFrame:
    """Read and check a catalogue.

    Args:
        path: CSV with one row per image: index (0, 1, … in order), label, class_name, ra and dec in
            degrees, redshift, pxscale; an empty cell is an unknown number.

    Returns:
        The table; index and label are integers, the numbers floats with NaN where unknown.

    Raises:
        InputError: a column is missing or a value is not allowed; the message names the row.
    """
    try:
        table = pd.read_csv(path, dtype={"class_name": str}, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable CSV table ({error}).") from error
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}."
        )
    if table.empty:
        raise InputError(f"{path}: has no rows; one per image is needed.")
    for name in ("ra", "dec", "redshift", "pxscale"):
        _refuse(
            path,
            name,
            table,
            pd.to_numeric(table[name], errors="coerce").isna() & table[name].notna(),
            "a number or an empty cell",
        )
        table[name] = table[name].astype(np.float64)
    label = pd.to_numeric(table["label"], errors="coerce")
    _refuse(path, "label", table, ~(label % 1 == 0) | (label < 0), "an integer from 0 up")
    order = pd.to_numeric(table["index"], errors="coerce") == np.arange(len(table))
    _refuse(path, "index", table, ~order, "the row's number, counted from 0")
    _refuse(path, "ra", table, ~table["ra"].fillna(0).between(0, 360), "0 to 360 degrees")
    _refuse(path, "dec", table, ~table["dec"].fillna(0).between(-90, 90), "-90 to 90 degrees")
    half = table["ra"].isna() != table["dec"].isna()
    _refuse(path, "ra", table, half, "known where dec is known, and only there")
    table = table.astype({"index": np.int64, "label": np.int64})
    first_name = table.groupby("label")["class_name"].transform("first")
    mixed = table["class_name"].isna() | (table["class_name"] != first_name)
    _refuse(path, "class_name", table, mixed, "one name per label")
    return table


def _refuse(
    path: str | Path, column: str, table: pd.DataFrame, wrong: pd.Series, allowed: str
) -> None:
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{path}: column {column}, row {row}: '{table[column].iloc[row]}' is not allowed "
            f"({int(wrong.sum())} such rows); allowed is {allowed}."
        )


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
    if not 0 <= radius_arcsec <= 180 * 3600:
        raise InputError(f"radius {radius_arcsec} arcsec: allowed is 0 to {180 * 3600} (180 deg).")
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


def sky_groups(ra: np.ndarray, dec: np.ndarray, radius_arcsec: float) -> np.ndarray:
    """Join all galaxies that a chain of pairs within the radius connects.

    Args:
        ra: (N,) right ascension in degrees, NaN where unknown.
        dec: (N,) declination in degrees, NaN where unknown.
        radius_arcsec: largest separation of two links of the chain; 0: the same position.

    Returns:
        (N,) int64, for each galaxy the lowest row number of its group; one without coordinates is
        its own group.
    """
    pairs, _ = pairs_within(ra, dec, radius_arcsec)
    links = coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), shape=(len(ra), len(ra)))
    _, component = connected_components(links, directed=False)
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

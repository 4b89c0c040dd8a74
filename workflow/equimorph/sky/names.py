"""Positions of named galaxies, by Sesame."""

import logging
import re
from contextlib import ExitStack
from http.client import HTTPException

from equimorph.data.positions import SKY_LIMITS
from equimorph.errors import InputError
from equimorph.sky.fits import need_astropy
from equimorph.sky.service import Position

LONGEST_NAME = 80
SECONDS = 20


def resolve_name(name: str, sesame: str | None = None) -> Position:
    """Return where a galaxy is, such as M51 or NGC 4565.

    Args:
        name: as Simbad, NED or VizieR know it.
        sesame: address of the service, None for astropy's own.

    Raises:
        InputError: astropy is missing, nothing of this name is known, or Sesame cannot be reached.
    """
    need_astropy(f"the position of {name[:LONGEST_NAME]!r}")
    from astropy.coordinates import SkyCoord, name_resolve
    from astropy.utils.data import conf

    if not re.fullmatch(r"[\w+\-.,()\[\]*'/ ]+", name) or len(name) > LONGEST_NAME:
        raise InputError(f"{name[:LONGEST_NAME]!r}: no name of a galaxy, and no such file.")
    logging.getLogger("astropy").setLevel(logging.ERROR)
    with ExitStack() as settings:
        settings.enter_context(conf.set_temp("remote_timeout", SECONDS))
        if sesame is not None:
            settings.enter_context(name_resolve.sesame_url.set([sesame]))
        try:
            found = SkyCoord.from_name(name)
        except name_resolve.NameResolveError as error:
            if "Unable to find coordinates" in str(error):
                raise InputError(f"{name}: no such file, and no galaxy of this name.") from error
            raise InputError(_silent(name)) from error
        except (OSError, HTTPException, ValueError) as error:  # another than Sesame may answer
            raise InputError(_silent(name)) from error
    return Position(float(found.icrs.ra.deg), float(found.icrs.dec.deg), name)


def _silent(name: str) -> str:
    return (
        f"{name}: no such file, and Sesame, which knows the positions of galaxies, cannot be "
        "reached."
    )


def position(ra: float, dec: float, name: str | None = None) -> Position:
    """Return a position that is given in degrees.

    Raises:
        InputError: it is none.
    """
    for value, (low, high) in zip((ra, dec), SKY_LIMITS.values(), strict=True):
        if not low <= value <= high:  # nor is NaN
            raise InputError(
                f"position {ra:g} {dec:g}: allowed are degrees, ra from 0 to 360 and dec from -90 "
                "to 90."
            )
    return Position(ra, dec, name or f"{ra:.5f}{dec:+.5f}")

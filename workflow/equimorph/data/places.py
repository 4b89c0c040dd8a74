"""Where a person's own data lie: named in the config, or by the environment, or linked."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equimorph.errors import InputError


@dataclass(frozen=True)
class Place:
    """Where the data of one source may be.

    Attributes:
        key: key below `data.<source>` of the config that names it.
        variable: environment variable that names it.
        linked: the data themselves or a link to them; a dependency of the stage `data` in dvc.yaml.
        needed: what must be there.
    """

    key: str
    variable: str
    linked: Path
    needed: str


PLACES = {
    "images": Place(
        "folder",
        "EQUIMORPH_REAL_DATA",
        Path("data/sources/images"),
        "a folder with manifest.csv (path, label, optionally class_name, ra, dec, sha256)",
    ),
    "hdf5": Place(
        "path",
        "EQUIMORPH_HDF5",
        Path("data/sources/hdf5"),
        "an HDF5 file with the keys images, ans, ra and dec (optionally redshift, pxscale, "
        "h5_index)",
    ),
}


def own_data(data: Mapping[str, Any]) -> Path:
    """Return where a study's data are: what the config names, else the environment, else a link.

    Args:
        data: the part `data` of a study's config, whose source is a name in `PLACES`.

    Raises:
        InputError: no place is named.
    """
    source = data["source"]
    place = PLACES[source]
    if found := data[source][place.key] or os.environ.get(place.variable):
        return Path(found).expanduser()
    if place.linked.exists():
        return place.linked
    raise InputError(
        f"data.{source}.{place.key} is not set, nor the environment variable {place.variable}, and "
        f"there is no {place.linked}: name {place.needed}."
    )


def check_linked(source: str, found: Path) -> None:
    """Check that DVC, which knows no environment variable, watches the data.

    Raises:
        InputError: it watches others; the message says what to type.
    """
    linked = PLACES[source].linked
    if not (linked.exists() and found.exists() and linked.samefile(found)):
        raise InputError(
            f"{found}: DVC watches {linked}, which must be the same: "
            f"ln -sfn {shlex.quote(str(found.absolute()))} {linked}"
        )

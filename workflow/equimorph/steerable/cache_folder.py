"""The cache folder of kernel bases and published weights, all of which can be made again."""

import os
from pathlib import Path

FOLDER_VARIABLE = "EQUIMORPH_CACHE"


def cache_folder(part: str) -> Path:
    """Return the folder `part` of `$EQUIMORPH_CACHE`, else of `~/.cache/equimorph`."""
    root = os.environ.get(FOLDER_VARIABLE) or os.path.expanduser("~/.cache/equimorph")
    return Path(root, part)

"""The ten classes of Galaxy10 DECaLS, in the order of the file's labels.

Source: H. W. Leung and J. Bovy, Galaxy10 DECaLS, doi:10.5281/zenodo.10845026.
"""

from equimorph.errors import InputError

MAX_CLASSES = 256  # labels are uint8

GALAXY10_CLASSES = (
    "Disturbed",
    "Merging",
    "Round Smooth",
    "In-between Round Smooth",
    "Cigar Shaped Smooth",
    "Barred Spiral",
    "Unbarred Tight Spiral",
    "Unbarred Loose Spiral",
    "Edge-on without Bulge",
    "Edge-on with Bulge",
)

GALAXY10_COUNTS = (1081, 1853, 2645, 2027, 334, 2043, 1829, 2628, 1423, 1873)


def check_n_classes(n_classes: int) -> None:
    """Raise InputError unless the labels 0 … n_classes - 1 fit the schema."""
    if not 1 <= n_classes <= MAX_CLASSES:
        raise InputError(f"{n_classes} classes: allowed are 1 to {MAX_CLASSES}.")

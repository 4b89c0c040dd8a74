"""The classes of Galaxy10, and how many classes labels can tell apart."""

import pytest

from equimorph.data.classes import GALAXY10_CLASSES, GALAXY10_COUNTS, check_n_classes
from equimorph.errors import InputError


def test_the_published_file_has_17736_images_in_ten_classes():
    assert len(set(GALAXY10_CLASSES)) == len(GALAXY10_COUNTS) == 10
    assert sum(GALAXY10_COUNTS) == 17736


def test_labels_are_bytes():
    check_n_classes(1)
    check_n_classes(256)
    for number in (0, 257):
        with pytest.raises(InputError, match=f"{number} classes: allowed are 1 to 256"):
            check_n_classes(number)

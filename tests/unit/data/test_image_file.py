"""Images in one file: written in order, read as a memory map."""

import numpy as np
import pytest

from equimorph.data.image_file import new_images, open_images
from equimorph.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)


def test_what_is_written_in_parts_is_read_as_one_array(tmp_path):
    path = tmp_path / "images.npy"
    with new_images(path, IMAGES.shape) as file:
        file.write(IMAGES[:2])
        file.write(IMAGES[2:])
        assert not path.exists()
    read = open_images(path)
    assert isinstance(read, np.memmap)
    np.testing.assert_array_equal(read, IMAGES)


def test_an_error_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), new_images(tmp_path / "images.npy", IMAGES.shape):
        _ = 1 / 0
    assert not any(tmp_path.iterdir())


def test_other_files_are_named(tmp_path):
    np.save(tmp_path / "float.npy", np.zeros((2, 8, 8, 3)))
    with pytest.raises(InputError, match="float.npy: holds float64 of shape"):
        open_images(tmp_path / "float.npy")
    (tmp_path / "text.npy").write_text("galaxy")
    with pytest.raises(InputError, match="text.npy: not a readable array"):
        open_images(tmp_path / "text.npy")

"""Slices of a raw file's images: whole chunks, in order, within the limit."""

import h5py
import numpy as np
import pytest

from equimorph.data.slices import SLICE_BYTES, read_slices, slice_length


@pytest.mark.parametrize(
    ("chunks", "limit", "expected"),
    [
        ((555, 16, 16, 1), SLICE_BYTES, 555),
        ((555, 16, 16, 1), 4 * SLICE_BYTES, 4 * 555),
        ((17736, 16, 16, 1), SLICE_BYTES, 682),  # one row of chunks alone would be the whole file
        ((1, 256, 256, 3), SLICE_BYTES, 682),
        (None, SLICE_BYTES, 682),
        (None, 1, 1),
    ],
)
def test_slices_hold_whole_chunks_within_the_limit(chunks, limit, expected):
    assert slice_length((17736, 256, 256, 3), chunks, limit) == expected


@pytest.mark.parametrize("slice_images", [1, 4, 5, 7, 100])
def test_slices_are_the_images_in_order_and_one_is_overwritten_by_the_next(tmp_path, slice_images):
    images = np.random.default_rng(0).integers(0, 256, (13, 8, 8, 3), np.uint8)
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        source = file.create_dataset("images", data=images, chunks=(4, 8, 8, 3))
        limit = slice_images * 8 * 8 * 3
        found = [part.copy() for part in read_slices(source, "test", limit)]
        places = {part.ctypes.data for part in read_slices(source, "test", limit)}
    np.testing.assert_array_equal(np.concatenate(found), images)
    assert max(map(len, found)) <= slice_images
    assert len(places) == 1  # memory is that of one slice

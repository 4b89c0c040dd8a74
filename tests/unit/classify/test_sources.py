"""Where many images come from: in one order, each read when its turn has come."""

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from equimorph.classify import sources
from equimorph.classify.images import Galaxy
from equimorph.classify.sources import Sources
from equimorph.errors import InputError
from equimorph.sky.service import Position

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)


def fetch(place: Position) -> Galaxy:
    """An image that tells its position."""
    return Galaxy(place.name, np.full((12, 12, 3), int(place.ra), np.uint8))


def opened(*inputs, positions=()):
    return Sources([str(one) for one in inputs], positions, fetch)


def read(*inputs, positions=()):
    """Return the names and the pixels."""
    with opened(*inputs, positions=positions) as found:
        galaxies = [(item.name, item.read()) for item in found]
    return [name for name, _ in galaxies], [galaxy.pixels for _, galaxy in galaxies]


@pytest.fixture
def folder(tmp_path):
    """Images in two folders, and what is none."""
    for number, name in enumerate(["b.png", "a.PNG", "deep/c.bmp", "deep/a.png"]):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[number]).save(path)
    (tmp_path / "images/notes.txt").write_text("no image")
    return tmp_path / "images"


def test_a_folder_gives_its_images_in_the_order_of_their_names(folder):
    names, pixels = read(folder)
    assert names == [f"{folder}/{name}" for name in ("a.PNG", "b.png", "deep/a.png", "deep/c.bmp")]
    assert all(np.array_equal(a, PIXELS[n]) for a, n in zip(pixels, (1, 0, 3, 2), strict=True))


def test_several_inputs_come_one_after_the_other(folder):
    names, _ = read(folder / "b.png", folder / "deep", positions=[Position(7, 0, "seven")])
    assert names == [f"{folder}/{name}" for name in ("b.png", "deep/a.png", "deep/c.bmp")] + [
        "seven"
    ]


def write_hdf5(path, images=PIXELS, chunks=(7, 6, 6, 1)):
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=chunks, compression="gzip")
    return path


def test_an_hdf5_file_needs_no_labels_and_is_read_slice_by_slice(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SLICE_BYTES", 3 * 12 * 12 * 3)
    path = write_hdf5(tmp_path / "galaxies.h5")
    names, pixels = read(path)
    assert names == [f"{path}#{number}" for number in range(20)]
    assert np.array_equal(pixels, PIXELS)


def test_images_that_are_skipped_are_not_read(tmp_path):
    path = write_hdf5(tmp_path / "galaxies.h5")
    with opened(path) as found:
        items = iter(found)
        for _ in range(15):
            next(items)
        assert np.array_equal(next(items).read().pixels, PIXELS[15])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_names_files_beside_it_or_places(tmp_path, folder, kind):
    def write(name, table):
        table = pd.DataFrame(table)
        path = tmp_path / f"{name}.{kind}"
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
        return path

    files = write("files", {"Filename": ["images/b.png", "images/a.PNG"], "ra": [1, 2]})
    names, pixels = read(files)
    assert names == [f"{tmp_path}/images/b.png", f"{tmp_path}/images/a.PNG"]
    assert np.array_equal(pixels[0], PIXELS[0])
    places = write("places", {"RAJ2000": [11.0, 12.0], "DEJ2000": [1.0, -2.0], "mag": [1, 2]})
    names, pixels = read(places)
    assert names == [f"{places}#0", f"{places}#1"]
    assert [image[0, 0, 0] for image in pixels] == [11, 12]


def test_a_wrong_row_of_a_table_is_one_images_fault(tmp_path):
    path = tmp_path / "places.csv"
    path.write_text("ra,dec\n1,2\nx,3\n400,3\n4,5\n")
    with opened(path) as found:
        good, text, far, last = found
        assert good.read().pixels[0, 0, 0] == 1 and last.read().pixels[0, 0, 0] == 4
        with pytest.raises(InputError, match="no position in degrees"):
            text.read()
        with pytest.raises(InputError, match="allowed are degrees"):
            far.read()


def test_what_is_no_input_is_refused_before_anything_is_read(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    (tmp_path / "bad.h5").write_bytes(b"no HDF5")
    write_hdf5(tmp_path / "flat.h5", PIXELS[..., :2], None)
    for given, message in [
        ("empty", "no image in this folder"),
        ("other.csv", r"has the columns \['x', 'y'\]; needed is path, or ra and dec"),
        ("bad.parquet", "not a readable table"),
        ("bad.h5", "not a whole HDF5 file"),
        ("flat.h5", r"holds uint8 of shape \(20, 12, 12, 2\); allowed is uint8 \(N, H, H, 3\)"),
        ("none.jpg", "there is no such file"),
        ("no/where", "there is no such file"),
    ]:
        with pytest.raises(InputError, match=message):
            opened(folder, tmp_path / given)


def test_threads_on_both_sides_of_a_border_read_each_slice_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SLICE_BYTES", 1)
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=PIXELS.repeat(4, axis=0), chunks=(1, *PIXELS.shape[1:]))
    loads = []
    read_slice = sources._Rows._read_slice

    def observed(self, start):
        loads.append(start)
        return read_slice(self, start)

    monkeypatch.setattr(sources._Rows, "_read_slice", observed)
    with opened(path) as found:
        items = list(found)
        for first, second in zip(items[:3], items[3:6], strict=True):  # as two threads would
            first.read(), second.read(), first.read(), second.read()
    assert len(loads) == len({*loads})

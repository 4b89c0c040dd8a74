"""Simulated galaxies drawn again: the same bytes, also where a processor rounds otherwise."""

import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.simulation.draw import (
    checksum,
    draw,
    read_galaxies,
    round_to,
    without_images,
    write_galaxies,
)
from equimorph.simulation.simulate import simulate
from tests.conftest import ROOT

WORKFLOW = ROOT / "workflow"
RECIPE = {"per_class": 2, "size": 33, "seed": 5}


@pytest.fixture(scope="module")
def raw():
    return simulate(**RECIPE)


def test_galaxies_are_read_as_written_and_drawn_as_simulated(raw, tmp_path):
    write_galaxies(tmp_path / "galaxies.npz", without_images(raw, **RECIPE))
    galaxies = read_galaxies(tmp_path / "galaxies.npz")
    assert (galaxies.per_class, galaxies.size, galaxies.seed) == (2, 33, 5)
    for one, other in zip(draw(galaxies), raw, strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes()


def test_positions_are_those_of_the_file_not_of_the_processor(raw):
    galaxies = without_images(raw, **RECIPE)
    nearby = np.nextafter(galaxies.dec, 90)
    assert draw(galaxies._replace(dec=nearby)).dec.tobytes() == nearby.tobytes()


def pixels(on_edge):
    """Return an image of noise and values that round to it; some lie just below the edge."""
    generator = np.random.default_rng(3)
    image = generator.integers(1, 255, (17, 17, 3)).astype(np.uint8)
    values = image + generator.uniform(-0.4, 0.4, image.shape).astype(np.float32)
    places = generator.choice(image.size, on_edge, replace=False)
    values.flat[places] = image.flat[places] + np.float32(0.4999)
    return image, values, places


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_values_that_another_processor_rounds_otherwise_are_settled(number):
    image, values, places = pixels(10)
    assert np.array_equal(np.rint(values), image)
    values.flat[places[:number]] += np.float32(0.0002)  # beyond the edge
    assert (np.rint(values) != image).sum() == number
    assert np.array_equal(round_to(values, checksum(image)), image)


def test_other_images_are_not_settled(raw):
    image, values, places = pixels(10)
    assert round_to(values, checksum(image) ^ 1) is None
    values.flat[places[:4]] += np.float32(0.0002)
    assert round_to(values, checksum(image)) is None
    galaxies = without_images(raw, **RECIPE)
    with pytest.raises(InputError, match="galaxy 0 is drawn otherwise here .* Delete it"):
        draw(galaxies._replace(seed=6))


def test_other_files_are_refused(raw, tmp_path):
    path = tmp_path / "galaxies.npz"
    with pytest.raises(InputError, match=r"galaxies\.npz: there is no such file"):
        read_galaxies(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"galaxies\.npz: not a file of simulated galaxies"):
        read_galaxies(path)
    write_galaxies(path, without_images(raw, **RECIPE)._replace(ra=raw.ra[:3]))
    with pytest.raises(InputError, match=r"an array has not the shape \(20,\)"):
        read_galaxies(path)


def run_script(name, *arguments, **environment):
    """Run a script as the workflow does, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW), **environment}
    command = [sys.executable, str(WORKFLOW / f"scripts/data/{name}.py"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_scripts_write_the_raw_schema_and_the_same_bytes_without_vector_instructions(raw, tmp_path):
    galaxies = tmp_path / "galaxies.npz"
    options = [f"--{key.replace('_', '-')}={value}" for key, value in RECIPE.items()]
    done = run_script("simulate", *options, "--output", galaxies)
    assert done.returncode == 0, done.stderr
    found = np.__config__.show(mode="dicts")["SIMD Extensions"]["found"]
    for name, disabled in (("one", ""), ("other", " ".join(found))):
        done = run_script(
            *("draw", "--galaxies", galaxies, "--output", tmp_path / f"{name}.h5"),
            NPY_DISABLE_CPU_FEATURES=disabled,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()
    with h5py.File(tmp_path / "one.h5") as file:
        assert np.array_equal(file["images"][:], raw.images)
        assert np.array_equal(file["ans"][:], raw.labels)
        assert np.array_equal(file["redshift"][:], raw.redshift, equal_nan=True)


def test_script_ends_with_one_sentence(tmp_path):
    path = tmp_path / "galaxies.npz"
    done = run_script("simulate", "--per-class", 2, "--size", 8, "--output", path)
    assert done.returncode == 1
    assert done.stderr == "error: size: 8 is not allowed; give an integer from 33 to 4096.\n"
    assert not path.exists()

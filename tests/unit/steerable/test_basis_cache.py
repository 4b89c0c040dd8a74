"""Bases of steerable kernels: escnn's up to signs, the same everywhere, safely stored."""

import subprocess
import sys

import pytest
import torch

from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.steerable import basis_cache
from equimorph.steerable.basis_cache import KernelBasis, compute_basis, kernel_basis
from equimorph.steerable.convolution import plane


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache, on disk and in the process."""
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path))
    kernel_basis.cache_clear()
    yield tmp_path / "bases"
    kernel_basis.cache_clear()


def arguments(name="D4", kernel_size=3, cutoff=None):
    space = plane(parse_group(name))
    return space, space.trivial_repr, space.regular_repr, kernel_size, cutoff


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values()))  # noqa: B905


def test_frequencies_cutoff_adds_kernels():
    assert len(kernel_basis(*arguments(cutoff=3.0)).samples) > len(
        kernel_basis(*arguments()).samples
    )


def test_what_is_read_back_is_what_was_computed(folder, monkeypatch):
    first = kernel_basis(*arguments())
    assert same(first, compute_basis(*arguments()))
    assert [path.suffix for path in folder.iterdir()] == [".safetensors"]
    kernel_basis.cache_clear()
    monkeypatch.setattr(basis_cache, "compute_basis", None)
    again = kernel_basis(*arguments())
    assert again is not first and same(again, first)
    # Rounding depends on layout and alignment.
    assert again.samples.stride() == first.samples.stride()
    assert again.samples.data_ptr() % 64 == first.samples.data_ptr() % 64 == 0
    assert list(again.elements()) == list(first.elements())
    assert kernel_basis(*arguments()) is again


def test_a_pair_without_kernels_is_stored_too(folder, monkeypatch):
    space = plane(parse_group("C8"))
    pair = (space, space.trivial_repr, space.irrep(3), 1)
    assert len(kernel_basis(*pair).samples) == 0
    kernel_basis.cache_clear()
    monkeypatch.setattr(basis_cache, "compute_basis", None)
    assert kernel_basis(*pair).samples.shape == (0, 2, 1, 1)


def cut(content):
    return content[:-40]


def flip_a_bit(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [cut, flip_a_bit, lambda content: b"", lambda content: b"{}"])
def test_damaged_files_are_computed_anew(folder, damage):
    first = kernel_basis(*arguments())
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    kernel_basis.cache_clear()
    with pytest.warns(UserWarning, match="not a stored basis"):
        assert same(kernel_basis(*arguments()), first)
    assert path.read_bytes() == whole


def test_other_files_of_the_same_name_are_refused(folder):
    from safetensors.torch import save_file

    first = kernel_basis(*arguments())
    (path,) = folder.iterdir()
    tensors = {"samples": torch.zeros(1)}
    save_file(tensors, path, metadata={"sha256": basis_cache._checksum(tensors)})
    kernel_basis.cache_clear()
    with pytest.warns(UserWarning, match="not a stored basis"):
        assert same(kernel_basis(*arguments()), first)


def test_a_folder_that_cannot_be_written_costs_a_warning(folder):
    folder.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="not stored"):
        assert len(kernel_basis(*arguments()).samples)


def test_each_thing_that_a_basis_depends_on_has_its_own_file(folder, monkeypatch):
    space = plane(parse_group("D4"))
    regular, trivial = space.regular_repr, space.trivial_repr
    for choice in (
        (space, trivial, regular, 3),
        (space, regular, trivial, 3),
        (space, trivial, space.irrep(1, 1), 3),
        (space, trivial, regular, 5),
        (space, trivial, regular, 3, 3.0),
        arguments("C4"),
        # Two groups with one element beside the identity: a half turn and a reflection.
        arguments("C2"),
        arguments("D1"),
    ):
        kernel_basis(*choice)
    assert len(list(folder.iterdir())) == 8
    monkeypatch.setattr(basis_cache, "FORMAT", 0)
    kernel_basis.cache_clear()
    kernel_basis(*arguments())
    monkeypatch.setattr(basis_cache, "version", lambda package: "0")
    kernel_basis.cache_clear()
    kernel_basis(*arguments())
    assert len(list(folder.iterdir())) == 10


def test_processes_may_write_at_once(folder):
    command = (
        "from equimorph.groups.names import parse_group\n"
        "from equimorph.steerable.basis_cache import kernel_basis\n"
        "from equimorph.steerable.convolution import plane\n"
        "space = plane(parse_group('D4'))\n"
        "for size in (1, 3, 5):\n"
        "    kernel_basis(space, space.regular_repr, space.regular_repr, size)\n"
    )
    job = [sys.executable, "-W", "error::UserWarning", "-c", command]
    environment = {"PYTHONPATH": ":".join(sys.path), "EQUIMORPH_CACHE": str(folder.parent)}
    jobs = [subprocess.Popen(job, env=environment) for _ in range(2)]
    assert [job.wait() for job in jobs] == [0, 0]
    assert len(list(folder.iterdir())) == 3
    space = plane(parse_group("D4"))
    pair = (space, space.regular_repr, space.regular_repr, 3)
    assert same(kernel_basis(*pair), compute_basis(*pair))


def test_signs_do_not_depend_on_escnns(monkeypatch):
    """As on another type of CPU, where the singular vectors have other signs."""
    one = compute_basis(*arguments("D4", 5)).samples
    original = enn.modules.basismanager.SingleBlockBasisExpansion.__init__

    def flipped(self, *arguments):
        original(self, *arguments)
        generator = torch.Generator().manual_seed(0)
        coin = torch.randint(2, (len(self.sampled_basis),), generator=generator)
        self.sampled_basis *= (2 * coin - 1)[:, None, None, None]

    monkeypatch.setattr(enn.modules.basismanager.SingleBlockBasisExpansion, "__init__", flipped)
    assert torch.equal(compute_basis(*arguments("D4", 5)).samples, one)


@pytest.mark.parametrize("name", ["C4", "C16", "D1", "D4"])
def test_rounding_cannot_turn_a_sign(name):
    space = plane(parse_group(name))
    for kernel_size, cutoff in ((3, None), (5, None), (5, 3.0)):
        basis = compute_basis(space, space.regular_repr, space.regular_repr, kernel_size, cutoff)
        entries = basis.samples.flatten(1)
        share = entries.abs() / entries.abs().amax(1, keepdim=True)
        assert (share - basis_cache._LARGE).abs().min() > 1e-3
        large = share > basis_cache._LARGE
        assert all(row[mask][0] > 0 for row, mask in zip(entries, large, strict=True))


def test_basis_describes_itself():
    basis = kernel_basis(*arguments())
    assert isinstance(basis, KernelBasis)
    first, *_ = basis.elements()
    assert first["in_irrep"] == (0, 0) and first["radius"] == 0 and first["irrep:frequency"] == 0
    assert {element["id"] for element in basis.elements()} == set(range(len(basis.samples)))

"""Companions: what is written is what is read, and nothing else is taken."""

import dataclasses
import json
import random

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from equimorph.classify.companion import COMPANION, FORMAT, load_companion, save_companion
from equimorph.errors import InputError


def parts(study):
    """Return a companion's tensors and its header."""
    with safe_open(study.folder / "classifier" / COMPANION, framework="pt") as file:
        header = json.loads(file.metadata()[FORMAT])
        return {name: file.get_tensor(name) for name in file.offset_keys()}, header


def refused(tmp_path, tensors, header):
    """Return what is said about such a file."""
    path = tmp_path / "any.safetensors"
    save_file(
        tensors, path, metadata={FORMAT: header if isinstance(header, str) else json.dumps(header)}
    )
    with pytest.raises(InputError) as error:
        load_companion(path, 2)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)


def test_what_is_written_is_read(study, tmp_path):
    read = load_companion(study.folder / "classifier" / COMPANION, 2)
    for part in ("outliers", "training"):
        for one in dataclasses.fields(getattr(read, part)):
            made, found = (getattr(getattr(c, part), one.name) for c in (study.companion, read))
            assert np.array_equal(made, found) and made.dtype == found.dtype
    assert read.tensors.keys() == study.companion.tensors.keys()
    kept = ("model_sha256", "temperature", "validation", "credit", "layers")
    assert [getattr(read, key) for key in kept] == [getattr(study.companion, key) for key in kept]
    save_companion(tmp_path / "again.safetensors", read)
    first = (study.folder / "classifier" / COMPANION).read_bytes()
    assert (tmp_path / "again.safetensors").read_bytes() == first


def test_parts_may_be_missing(study, tmp_path):
    bare = dataclasses.replace(
        study.companion, outliers=None, training=None, layers=None, tensors={}
    )
    save_companion(tmp_path / COMPANION, bare)
    read = load_companion(tmp_path / COMPANION, 2)
    assert read.outliers is None and read.training is None and read.tensors == {}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("temperature", 0, "temperature: is not allowed; it must be a number above 0"),
        ("temperature", True, "temperature: is not allowed"),
        ("temperature", "1", "temperature: is not allowed"),
        ("credit", 3 * [1], "credit: is not allowed"),
        ("credit", 3000 * "x", "credit: is not allowed"),
        ("more", 1, r"its header: is not allowed; it must be the keys \['credit', 'layers'"),
    ],
)
def test_a_wrong_header_is_refused_by_its_key(study, tmp_path, key, value, message):
    tensors, header = parts(study)
    with pytest.raises(InputError, match=message):
        raise InputError(refused(tmp_path, tensors, {**header, key: value}))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("outliers.mean", lambda t: t[:-1]),
        ("outliers.whitening", lambda t: t.float()),
        ("outliers.limits", lambda t: t - 1e9),
        ("outliers.typical", lambda t: t * np.nan),
        ("training.label", lambda t: t + 2),
        ("training.embeddings", lambda t: t[:-1].contiguous()),
        ("training.index", lambda t: t.long()),
        ("training.ra", None),
        ("training.more", lambda t: torch.zeros(1)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(study, tmp_path, name, change):
    tensors, header = parts(study)
    old = tensors.pop(name, None)
    if change is not None:
        tensors[name] = change(old)
    assert "is not allowed; it must be" in refused(tmp_path, tensors, header)


def test_another_or_a_damaged_file_is_refused(study, tmp_path):
    path = study.folder / "classifier" / "model.safetensors"
    with pytest.raises(InputError, match="not a companion of a model"):
        load_companion(path, 2)
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_companion(tmp_path / "none.safetensors", 2)
    tensors, _ = parts(study)
    assert "its header is damaged" in refused(tmp_path, tensors, "{")
    whole = (study.folder / "classifier" / COMPANION).read_bytes()
    draw = random.Random(3)
    for number in range(60):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 6)):
            content[draw.randrange(min(len(content), 4000))] ^= 1 << draw.randrange(8)
        if number % 3 == 0:
            del content[draw.randrange(len(content)) :]
        (tmp_path / "bad.safetensors").write_bytes(content)
        try:
            load_companion(tmp_path / "bad.safetensors", 2)
        except InputError as error:
            assert "bad.safetensors" in str(error)

"""Reading stored predictions and refusing those that do not belong together."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.evaluation.predictions import (
    by_condition,
    model_and_seed,
    read_predictions,
    write_predictions,
)


def store(root, model="D4", seed=0, conditions=("clean",), index=(3, 5), label=(0, 1)):
    path = root / model / f"seed-{seed}.npz"
    logits = {
        condition: np.full((len(index), 2), 10 * seed + number, np.float32)
        for number, condition in enumerate(conditions)
    }
    write_predictions(path, np.array(index), np.array(label), logits)
    return path


def test_files_are_sorted_by_condition_and_seed(tmp_path):
    paths = [store(tmp_path, seed=s, conditions=("rotated", "clean")) for s in (1, 0)]
    table = by_condition(paths)
    assert list(table) == ["rotated", "clean"]
    assert set(table["clean"]) == {0, 1}
    assert table["rotated"][1].logits.tolist() == [[10, 10], [10, 10]]
    assert table["clean"][1].logits.tolist() == [[11, 11], [11, 11]]
    assert table["clean"][0].index.tolist() == [3, 5]
    assert table["clean"][0].label.tolist() == [0, 1]


def test_logits_are_stored_to_the_last_bit(tmp_path):
    generator = np.random.default_rng(0)
    logits = {c: generator.normal(size=(2, 2)).astype(np.float32) for c in ("clean", "noise-50")}
    path = tmp_path / "D4/seed-0.npz"
    write_predictions(path, np.array([3, 5]), np.array([0, 1]), logits)
    read = read_predictions(path)
    assert list(read) == list(logits)
    for condition, values in logits.items():
        assert read[condition].logits.dtype == np.float32
        assert read[condition].logits.tobytes() == values.tobytes()


def test_paths_name_model_and_seed():
    assert model_and_seed("results/x/predictions/D16/seed-12.npz") == ("D16", 12)
    assert model_and_seed("results/x/models/D16/seed-12/history.csv") == ("D16", 12)
    for bad in ("seed-0.npz", "D4/seed-a.npz", "D4/0/history.csv", "D4/seed-0/a/history.csv"):
        with pytest.raises(InputError, match="must end in"):
            model_and_seed(bad)


def test_other_files_are_refused(tmp_path):
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, index=np.arange(2))
    with pytest.raises(InputError, match=r"wrong\.npz.*keys index, label, conditions and logits"):
        read_predictions(wrong)
    wrong.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"wrong\.npz"):
        read_predictions(wrong)


def test_predictions_that_do_not_belong_together_are_refused(tmp_path):
    first = store(tmp_path)
    with pytest.raises(InputError, match="images or labels"):
        by_condition([first, store(tmp_path, seed=1, label=(1, 1))])
    with pytest.raises(InputError, match="images or labels"):
        by_condition([first, store(tmp_path, seed=1, index=(3, 6))])
    with pytest.raises(InputError, match="one model is allowed"):
        by_condition([first, store(tmp_path, model="C4")])
    with pytest.raises(InputError, match="not every condition"):
        by_condition([first, store(tmp_path, seed=2, conditions=("clean", "rotated"))])

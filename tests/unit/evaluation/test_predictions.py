"""Reading stored predictions and refusing those that do not belong together."""

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.evaluation.predictions import by_condition, model_and_seed, read_predictions


def store(root, model="D4", seed=0, condition="clean", index=(3, 5), label=(0, 1)):
    path = root / model / f"seed-{seed}" / f"{condition}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    logits = np.full((len(index), 2), seed, np.float32)
    np.savez(path, index=np.array(index), label=np.array(label), logits=logits)
    return path


def test_files_are_sorted_by_condition_and_seed(tmp_path):
    paths = [store(tmp_path, seed=s, condition=c) for s in (1, 0) for c in ("rotated", "clean")]
    table = by_condition(paths)
    assert list(table) == ["rotated", "clean"]
    assert set(table["clean"]) == {0, 1}
    assert table["clean"][1].logits[0, 0] == 1


def test_paths_name_model_and_seed():
    assert model_and_seed("results/x/predictions/D16/seed-12/clean.npz") == ("D16", 12)
    for bad in ("clean.npz", "D4/seed-a/clean.npz", "D4/0/clean.npz"):
        with pytest.raises(InputError, match="must end in"):
            model_and_seed(bad)


def test_other_files_are_refused(tmp_path):
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, index=np.arange(2))
    with pytest.raises(InputError, match=r"wrong\.npz.*keys index, label and logits"):
        read_predictions(wrong)
    wrong.write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"wrong\.npz"):
        read_predictions(wrong)


def test_predictions_that_do_not_belong_together_are_refused(tmp_path):
    first = store(tmp_path)
    with pytest.raises(InputError, match="images or labels"):
        by_condition([first, store(tmp_path, seed=1, label=(1, 1))])
    with pytest.raises(InputError, match="images or labels"):
        by_condition([first, store(tmp_path, condition="rotated", index=(3, 6))])
    with pytest.raises(InputError, match="one model is allowed"):
        by_condition([first, store(tmp_path, model="C4")])
    with pytest.raises(InputError, match="not every condition"):
        by_condition([first, store(tmp_path, seed=2, condition="rotated")])

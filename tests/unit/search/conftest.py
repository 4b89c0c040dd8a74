"""Images and a study for short, real trainings."""

import numpy as np
import pytest

from equimorph.data.split_file import split_csv
from equimorph.study.search_space import single_study, training_part
from equimorph.study.yaml_files import merged


def write_blobs(folder):
    """Two classes that differ in the size of a blob; the test rows do not exist."""
    random = np.random.default_rng(0)
    labels = np.arange(96) % 2
    y, x = np.mgrid[-1:1:33j, -1:1:33j]
    images = np.zeros((96, 33, 33, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        width = 0.03 + 0.12 * label + 0.02 * random.random()
        blob = 200 * np.exp(-(x**2 + y**2) / width) + 20 * random.random((33, 33))
        image[:] = blob.astype(np.uint8)[..., None]
    np.save(folder / "images.npy", images)
    split = {"train": np.arange(64), "validation": np.arange(64, 96)}
    text = split_csv(split, labels) + "test,1000000,0\n"
    (folder / "split.csv").write_text(text)


@pytest.fixture(scope="module")
def material(tmp_path_factory, default_config):
    """What a trainer takes: files, a study, seeds, the number of classes."""
    folder = tmp_path_factory.mktemp("blobs")
    write_blobs(folder)
    overlay = {
        "network": {"input_size": 33, "fields": [4, 8], "pool_after": [2], "match": "fields"},
        "train": {"batch_size": 16, "patience": 5},
        "search": {"model": "CNN", "epochs": 5},
    }
    config = merged(default_config, overlay)
    return {
        "images": str(folder / "images.npy"),
        "split": str(folder / "split.csv"),
        "part": training_part(single_study(config)),
        "seeds": [0],
        "classes": 2,
    }

"""What is measured for others comes from the training and validation images alone."""

import numpy as np
import pandas as pd

from equimorph.classify.companion import MODEL
from equimorph.classify.make import best_run, make_companion
from equimorph.evaluation.temperature import fit_temperature
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from tests.unit.classify.conftest import TRAIN, VALIDATION


def test_the_temperature_is_the_validation_sets(study):
    checkpoint = load_checkpoint(study.folder / "classifier" / MODEL)
    rows = list(VALIDATION)
    logits = predict_logits(checkpoint.network, *checkpoint.prepare(study.images[rows])).numpy()
    expected = fit_temperature(logits, study.labels[rows])
    assert study.companion.temperature == expected
    said = study.companion.validation
    assert said["images"] == len(rows) and said["after"]["nll"] <= said["before"]["nll"]


def test_training_images_are_named_by_their_rows_or_by_galaxy10s(study):
    assert study.companion.training.index.tolist() == list(TRAIN)
    assert study.companion.training.label.tolist() == study.labels[list(TRAIN)].tolist()
    rows = {"train": np.arange(10), "validation": np.arange(10, 20)}
    labels = {part: study.labels[numbers] for part, numbers in rows.items()}
    catalogue = pd.DataFrame({"ra": 1.0, "dec": np.nan, "h5_index": np.arange(5000, 5240)})
    small = make_companion(
        load_checkpoint(study.folder / "classifier" / MODEL),
        "digest",
        study.images,
        rows,
        labels,
        catalogue,
        "blobs",
    )
    assert small.training.index.tolist() == list(range(5000, 5010))
    assert np.isnan(small.training.dec).all()
    assert small.outliers is None  # ten images tell nothing


def test_the_best_is_chosen_by_the_validation_loss():
    runs = {
        (model, seed): {"validation_loss": loss}
        for model, seed, loss in [("CNN", 0, 0.1), ("D4", 0, 0.4), ("D4", 1, 0.3), ("D4", 2, 0.3)]
    }
    assert best_run("D4", runs) == ("D4", 1)
    assert best_run("CNN", runs) == ("CNN", 0)
    assert best_run(None, runs) is None

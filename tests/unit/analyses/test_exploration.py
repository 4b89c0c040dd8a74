"""Exploration of the data: tables by class, preparations, augmentations."""

import numpy as np
import pandas as pd
import pytest

from equimorph.analyses.exploration import (
    augmented_sheet,
    by_class,
    galaxy_table,
    prepared_sheet,
)
from equimorph.data.photometry import measure
from equimorph.robustness.degradations import opening
from tests.unit.data.test_photometry import galaxy

AUGMENTATION = {"rotation": 180, "flip": 0.5, "scale": 1.1, "shift": 0.0, "brightness": 0.1}


def test_a_row_per_galaxy():
    images = np.stack([galaxy(65, sigma) for sigma in (3, 4, 5, 6)])
    catalogue = pd.DataFrame(
        {
            "index": range(4),
            "label": [0, 0, 1, 1],
            "redshift": [0.1, 0.3, np.nan, np.nan],
            "pxscale": [0.5, 0.5, 0.5, 0.5],
        }
    )
    table = galaxy_table(images, catalogue, np.array([0, 1, 3]))
    assert table["index"].tolist() == [0, 1, 3]
    assert table["radius"][2] == measure(images[3], 0.5).radius
    found = by_class(table, ["round", "long"])
    assert found["round"]["redshift"] == {"median": 0.2, "galaxies": 2}
    assert found["long"]["redshift"] == {"median": None, "galaxies": 0}
    assert found["round"]["radius"]["median"] == pytest.approx(table["radius"][:2].median())


def test_preparations_side_by_side():
    images = np.stack([galaxy(65, 5)] * 2)
    images[0, 8:10, 8:10] = 250
    sheet = prepared_sheet(images, 1.0, seed=0)
    assert list(sheet)[0] == "as taken" and len(sheet) == 5
    np.testing.assert_array_equal(sheet["as taken"], images)
    assert sheet["opened, 3 px"][0, 8:10, 8:10].max() < 60
    np.testing.assert_array_equal(
        sheet["opened, 4 px"][1], opening.apply(images[1], np.random.default_rng(), None, radius=4)
    )


def test_augmentations_follow_the_image():
    images = np.stack([galaxy(65, 5)] * 2)
    sheet = augmented_sheet(images, AUGMENTATION, draws=3, seed=1)
    assert sheet.shape == (2, 4, 65, 65, 3) and sheet.dtype == np.uint8
    np.testing.assert_array_equal(sheet[:, 0], images)
    assert (sheet[0, 1] != images[0]).any() and (sheet[0, 1] != sheet[0, 2]).any()
    np.testing.assert_array_equal(sheet, augmented_sheet(images, AUGMENTATION, 3, seed=1))

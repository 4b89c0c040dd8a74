"""Contact sheets: which images, and where they stand."""

import numpy as np

from equimorph.report.figures.sheets import central, contact_sheet, mosaic, spread


def test_spread_takes_ends_and_middle():
    rows = np.array([3, 5, 8, 13, 21])
    assert spread(rows, 3).tolist() == [3, 8, 21]
    assert spread(rows, 9).tolist() == rows.tolist()


def test_mosaic_puts_images_where_they_belong():
    canvas = mosaic([[np.full((6, 6, 3), v, np.uint8) for v in (0, 100)], []], cell=4)
    assert canvas.shape == (11, 11, 3)
    assert (canvas[:4, :4] == 0).all()
    assert (canvas[:4, 7:] == 100).all()
    assert (canvas[:4, 4:7] == 255).all()
    assert (canvas[7:] == 255).all()


def test_central_crops_only_what_is_larger():
    image = np.arange(36).reshape(6, 6)
    assert central(image, 2).tolist() == [[14, 15], [20, 21]]
    assert central(image, 9).shape == (6, 6)


def test_contact_sheet_names_rows_and_columns():
    images = [[np.zeros((4, 4, 3), np.uint8)] * 3] * 2
    axes = contact_sheet(images, ["first", "second"], ["x", "y", "z"], cell=10).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]
    assert axes.images[0].get_array().shape == (23, 36, 3)

"""Figures: the artists show the numbers, and equal numbers give equal bytes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from PIL import Image

from equimorph.report.figures.accuracy import accuracy_by_order
from equimorph.report.figures.calibration import reliability_diagram
from equimorph.report.figures.catalogue import class_histogram, sky_map
from equimorph.report.figures.confusion import confusion_matrices
from equimorph.report.figures.curves import training_curves
from equimorph.report.figures.sheets import central, contact_sheet, mosaic, spread
from equimorph.report.figures.style import (
    FAMILY_COLOURS,
    SUBSET_COLOURS,
    family,
    save,
    shade,
)

ORDERS = {"CNN": (None, 1), "C2": ("C2", 2), "C8": ("C8", 8), "D4": ("D4", 8), "D16": ("D16", 32)}


def scores(seeds=3, models=ORDERS, conditions=("clean", "noise-50")):
    rows = [
        {
            "model": name,
            "group": group,
            "group_order": order,
            "condition": condition,
            "accuracy": 0.5 + order / 100 + 0.02 * seed - 0.2 * number,
        }
        for number, condition in enumerate(conditions)
        for name, (group, order) in models.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def histories(epochs=(5, 3)):
    return pd.concat(
        pd.DataFrame(
            {
                "model": name,
                "group": group,
                "seed": seed,
                "epoch": np.arange(1, length + 1),
                "validation_accuracy": 0.1 * np.arange(1, length + 1) + 0.02 * seed,
                "train_loss": 2.0 / np.arange(1, length + 1),
            }
        )
        for name, (group, _) in ORDERS.items()
        for seed, length in enumerate(epochs)
    )


def split():
    return pd.DataFrame(
        {
            "subset": ["test", "train", "train", "validation", "quarantined"],
            "index": range(5),
            "label": [0, 0, 2, 2, 2],
        }
    )


def bins(counts=(0, 4, 6)):
    return pd.DataFrame(
        {
            "low": [0, 1 / 3, 2 / 3],
            "high": [1 / 3, 2 / 3, 1.0],
            "count": counts,
            "confidence": [np.nan, 0.5, 0.9],
            "accuracy": [np.nan, 0.25, 0.8],
        }
    )


def panels(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def error_bars(axes):
    return {c.get_label(): c for c in axes.containers if isinstance(c, ErrorbarContainer)}


FIGURES = {
    "accuracy": lambda: accuracy_by_order(scores(), 0.1),
    "curves": lambda: training_curves(histories()),
    "confusion": lambda: confusion_matrices({"D4": np.eye(3), "CNN": np.ones((3, 3))}, list("abc")),
    "reliability": lambda: reliability_diagram({"D4": bins()}, {"D4": "D4"}, {"D4": 0.16}),
    "histogram": lambda: class_histogram(split(), list("abc")),
    "sky": lambda: sky_map(
        np.array([10.0, 200, np.nan]), np.array([0.0, 20, 1]), np.array(["test"] * 3)
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_svg_bytes_depend_on_the_numbers_alone(name, tmp_path):
    for attempt in ("one", "two"):
        save(FIGURES[name](), tmp_path / f"{attempt}.svg")
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "two.svg").read_bytes()
    assert b"<svg" in one
    assert b"<dc:date>" not in one


def test_webp_bytes_depend_on_the_images_alone_and_look_like_them(tmp_path):
    images = [[np.full((32, 32, 3), 40 * k, np.uint8) for k in range(3)]]
    for attempt in ("one", "two"):
        save(contact_sheet(images, ["row"], cell=32), tmp_path / f"{attempt}.webp")
    one = (tmp_path / "one.webp").read_bytes()
    assert one == (tmp_path / "two.webp").read_bytes()
    with Image.open(tmp_path / "one.webp") as file:
        assert file.format == "WEBP"
        sheet = np.asarray(file)
    # The mosaic ends five pixels above the lower edge; the centres of its three images.
    row, right = sheet.shape[0] - 5 - 16, sheet.shape[1] - 5 - 16
    for k in range(3):
        assert np.allclose(sheet[row, right - 35 * (2 - k)], 40 * k, atol=4)


def test_families_and_colours():
    assert [family(g) for g in (None, "C1", "C4", "D1", "D16")] == [
        "plain",
        "plain",
        "cyclic",
        "dihedral",
        "dihedral",
    ]
    assert shade("#0072b2", 1) == "#0072b2"
    assert shade("#0072b2", 0) == "#ffffff"


def test_accuracy_has_a_panel_per_condition_and_a_series_per_family():
    figure = accuracy_by_order(scores(), 0.1)
    assert [axes.get_title(loc="left") for axes in panels(figure)] == [
        "clean",
        "noise 50\N{NO-BREAK SPACE}%",
    ]
    axes = panels(figure)[0]
    assert axes.get_xscale() == "log"
    series = {c.lines[0].get_color(): c for c in error_bars(axes).values()}
    line = series[FAMILY_COLOURS["dihedral"]].lines[0]
    np.testing.assert_allclose(
        line.get_ydata(orig=False), [0.6, 0.84]
    )  # D4 and D16, means of three seeds
    np.testing.assert_allclose(line.get_xdata(orig=False), [8, 32], rtol=0.1)
    bars = series[FAMILY_COLOURS["cyclic"]].lines[2][0].get_segments()
    np.testing.assert_allclose([np.ptp(bar[:, 1]) for bar in bars], 2 * 0.02)  # mean ± sd
    heights = {round(line.get_ydata()[0], 6) for line in axes.lines if len(line.get_ydata()) == 2}
    assert {0.1, 0.53} <= heights  # chance and the plain network
    dots = [line for line in axes.lines if line.get_marker() == "."]
    assert sorted(len(line.get_ydata()) for line in dots) == [6, 6]  # every seed is shown
    assert len(axes.patches) == 1  # the plain network's band


def test_one_seed_has_neither_bars_nor_band():
    axes = panels(accuracy_by_order(scores(seeds=1), 0.1))[0]
    assert not axes.patches
    assert not any(c.has_yerr for c in error_bars(axes).values())


def test_variants_stand_apart_from_the_series_and_from_one_another():
    models = {**ORDERS, "D4-wide": ("D4", 8), "D4-flatten": ("D4", 8)}
    axes = panels(accuracy_by_order(scores(models=models), 0.1))[0]
    bars = error_bars(axes)
    assert max(len(c.lines[0].get_xdata()) for c in bars.values()) == 2
    wide, flat = (bars[name].lines[0] for name in ("D4-wide", "D4-flatten"))
    assert 8 < wide.get_xdata()[0] < flat.get_xdata()[0] < 16
    assert wide.get_marker() != flat.get_marker()


def test_plain_networks_have_lines_that_can_be_told_apart():
    plain = ("CNN", "CNN-orbit", "ResNet18", "ViT")
    figure = accuracy_by_order(scores(models=dict.fromkeys(plain, (None, 1))), 0.1)
    lines = {line.get_label(): line for line in panels(figure)[0].lines}
    assert len({str(lines[name]._unscaled_dash_pattern) for name in plain}) == 4
    assert [text.get_text() for text in figure.legends[0].texts] == [*plain, "chance"]


def test_curves_stop_where_the_first_seed_stops():
    figure = training_curves(histories())
    cyclic, dihedral = figure.axes[:2]
    assert [line.get_label() for line in cyclic.lines] == ["CNN", "C2", "C8"]
    assert [line.get_label() for line in dihedral.lines] == ["CNN", "D4", "D16"]
    np.testing.assert_allclose(cyclic.lines[1].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(cyclic.lines[1].get_ydata(), [0.11, 0.21, 0.31])
    assert to_hex(cyclic.lines[-1].get_color()) == FAMILY_COLOURS["cyclic"]
    assert figure.axes[2].get_ylabel() == "training loss"


def test_confusion_is_normalised_by_row():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]])
    figure = confusion_matrices({"D4": counts, "CNN": counts}, list("abc"))
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown[0], [75, 25, 0])
    np.testing.assert_allclose(shown[2], [50, 0, 50])
    assert np.ma.getmaskarray(np.ma.masked_invalid(shown))[1].all()  # no image, no share
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "25", "50", "50"]
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["D4", "CNN"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list("abc")


def test_reliability_shows_filled_bins_and_shares():
    figure = reliability_diagram({"D4": bins()}, {"D4": "D4"}, {"D4": 0.16})
    upper, lower = figure.axes
    points = upper.collections[-1].get_offsets()
    np.testing.assert_allclose(points, [[0.5, 0.25], [0.9, 0.8]])
    np.testing.assert_allclose([bar.get_height() for bar in lower.patches], [0, 0.4, 0.6])
    assert "0.160" in upper.get_title(loc="left")


def test_histogram_stacks_subsets_in_class_order():
    axes = class_histogram(split(), list("abc")).axes[0]
    widths = {c.get_label(): [bar.get_width() for bar in c] for c in axes.containers}
    assert widths == {
        "train": [1, 0, 1],
        "validation": [0, 0, 1],
        "test": [1, 0, 0],
        "quarantined": [0, 0, 1],
    }
    assert [text.get_text() for text in axes.texts] == ["2", "0", "3"]
    assert axes.yaxis_inverted()
    assert to_hex(axes.containers[0][0].get_facecolor()) == SUBSET_COLOURS["train"]


def test_sky_map_has_east_to_the_left_and_counts_missing_positions():
    subset = np.array(["train", "test", "test"])
    figure = sky_map(np.array([150.0, 90.0, np.nan]), np.array([30.0, -10, 0]), subset)
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["train"].get_xdata()[0] < 0 < lines["test"].get_xdata()[0]
    np.testing.assert_allclose(lines["train"].get_ydata(), np.radians([30]))
    assert len(lines["test"].get_xdata()) == 1
    assert axes.get_title(loc="left") == "1 of 3 without a position"


def test_sky_map_without_any_position():
    figure = sky_map(np.full(2, np.nan), np.full(2, np.nan), np.array(["train", "test"]))
    assert not figure.axes[0].lines


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

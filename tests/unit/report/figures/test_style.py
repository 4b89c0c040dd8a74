"""What all figures share: colours of families and classes; equal numbers give equal bytes."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from equimorph.report.figures.sheets import contact_sheet
from equimorph.report.figures.style import (
    family,
    line_styles,
    save,
    shade,
    styled,
)

from .numbers import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_svg_bytes_depend_on_the_numbers_alone(name, tmp_path):
    for attempt in ("one", "two"):
        save(FIGURES[name](), tmp_path / f"{attempt}.svg")
    one = (tmp_path / "one.svg").read_bytes()
    assert one == (tmp_path / "two.svg").read_bytes()
    assert b"<svg" in one
    assert b"<dc:date>" not in one


@pytest.mark.parametrize("name", FIGURES)
def test_a_drawing_keeps_its_words_in_fewer_bytes(name, tmp_path):
    save(FIGURES[name](), tmp_path / "small.svg")
    buffer = io.BytesIO()
    with styled():
        FIGURES[name]().savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05)
    small = (tmp_path / "small.svg").read_text()
    assert words(small) == words(buffer.getvalue().decode()) != []
    assert len(small) < len(buffer.getvalue())


def words(svg):
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join("".join(text.itertext()).split()) for text in texts]


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


def test_plain_networks_are_dashed_each_in_its_own_way():
    plain = [f"plain-{number}" for number in range(8)]
    styles = line_styles(pd.Series({**dict.fromkeys(plain), "D4": "D4"}, dtype=object))
    assert styles["D4"]["linestyle"] == "-" and styles[plain[0]]["linestyle"] == "--"
    assert len({(str(styles[p]["linestyle"]), styles[p]["color"]) for p in plain}) == 8


def pixels(path):
    found = re.findall(r"data:image/png;base64,([^\"']+)", path.read_text())
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_points_have_a_palette_and_photographs_do_not(tmp_path):
    generator = np.random.default_rng(0)
    with styled():
        figure = Figure(figsize=(4, 2))
        left, right = figure.subplots(1, 2)
        left.scatter(*generator.normal(size=(2, 500)), s=4, color="#0072b2", rasterized=True)
        photograph = generator.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        right.imshow(photograph, interpolation="none")
    save(figure, tmp_path / "both.svg")
    points, image = pixels(tmp_path / "both.svg")
    assert points.mode == "P" and image.mode != "P"
    seen = points.convert("RGBA")
    opaque = np.asarray(seen)[np.asarray(seen)[..., 3] > 250]
    assert len(opaque) and np.abs(opaque[:, :3].astype(int) - (0, 0x72, 0xB2)).max() <= 8

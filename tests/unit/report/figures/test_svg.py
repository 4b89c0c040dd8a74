"""Compact drawings: the same lines, words and styles in half the bytes."""

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from equimorph.report.figures.style import styled
from equimorph.report.figures.svg import compact

from .test_figures import FIGURES

HREF = "{http://www.w3.org/1999/xlink}href"


def drawn(name):
    """Return a figure's SVG as matplotlib writes it."""
    buffer = io.BytesIO()
    with styled():
        FIGURES[name]().savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue().decode()


def elements(svg, *tags):
    return [e for e in ElementTree.fromstring(svg).iter() if e.tag.rpartition("}")[2] in tags]


def lines(svg):
    """Return every path as its commands, the understood ones written out, and its numbers."""
    found = []
    for path in elements(svg, "path"):
        commands, numbers, last = "", [], ""
        for token in re.findall(r"[A-Za-z]|-?\d*\.?\d+(?:e-?\d+)?", path.get("d")):
            if token.isalpha():
                last, wanted = token, {"C": 6, "Q": 4, "z": 0}.get(token, 2)
                commands, given = commands + token, 0
                continue
            if given == wanted:
                last, given = "L" if last == "M" else last, 0
                commands += last
            numbers.append(float(token))
            given += 1
        found.append((commands, numbers))
    return found


def styles(svg):
    """Return the declarations of every element with a style, whether its own or a class's."""
    sheet = elements(svg, "style")[0].text
    classes = dict(re.findall(r"\.(\w+)\{([^}]*)\}", sheet))
    found = []
    for element in ElementTree.fromstring(svg).iter():
        style = classes.get(element.get("class"), element.get("style"))
        if style:
            plain = style.replace(",Verdana,sans-serif", "")
            found.append({re.sub(r"\s", "", part) for part in plain.split(";")})
    return found


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_drawing_in_two_thirds_of_the_bytes_or_less(name):
    before = drawn(name)
    after = compact(before)
    assert len(after) < 2 / 3 * len(before)
    assert [c for c, _ in lines(after)] == [c for c, _ in lines(before)]
    for (_, one), (_, other) in zip(lines(before), lines(after), strict=True):
        assert np.allclose(one, other, atol=0.005 + 1e-9, rtol=0)
    assert styles(after) == styles(before)
    words = [e.text for e in elements(before, "text", "tspan") if (e.text or "").strip()]
    assert [e.text for e in elements(after, "text", "tspan") if e.text] == words


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_referred_to_is_there_and_nothing_else_has_a_name(name):
    root = ElementTree.fromstring(compact(drawn(name)))
    values = "\n".join(v for e in root.iter() for v in e.attrib.values())
    wanted = re.findall(r"(?:^|url\()#([\w-]+)", values, re.MULTILINE)
    named = [e.get("id") for e in root.iter() if e.get("id")]
    assert wanted and set(named) == set(wanted) and len(named) == len(set(named))


def test_points_keep_their_colours():
    before, after = drawn("sky"), compact(drawn("sky"))
    pictures = []
    for svg in (before, after):
        (image,) = elements(svg, "image")
        content = base64.b64decode(image.get(HREF).partition(",")[2])
        pictures.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int))
    seen = pictures[0][..., 3] > 128
    assert seen.any() and np.abs(pictures[0] - pictures[1])[seen].max() <= 16

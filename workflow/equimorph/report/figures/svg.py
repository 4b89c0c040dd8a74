"""Small drawings: matplotlib's SVG without what no reader sees."""

import base64
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from string import ascii_lowercase
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
# Nobody sees a hundredth of a point; the factors of a transformation need more digits.
_DECIMALS = {"transform": 4} | dict.fromkeys(("d", "x", "y", "width", "height", "viewBox"), 2)
# Text stays text. Where matplotlib's font is missing, Verdana has nearly its widths.
_FONT = "'DejaVu Sans'"
_FONTS = f"{_FONT},Verdana,sans-serif"

ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)


def compact(svg: str) -> str:
    """Return a drawing of matplotlib's in about half the bytes; it looks the same.

    Coordinates are rounded to 0.01 points, each style is written once, and metadata, names that
    nothing refers to and groups without a meaning are left out.
    """
    root = ElementTree.fromstring(svg)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    for image in root.iter(f"{{{_SVG}}}image"):
        image.attrib[_HREF] = _with_palette(image.attrib[_HREF])
    for element in root.iter():
        _shorten_numbers(element)
        _strip_blanks(element)
    _shorten_names(root)
    _share_styles(root)
    _unwrap_groups(root)
    return ElementTree.tostring(root, encoding="unicode").replace(" />", "/>") + "\n"


def _with_palette(address: str) -> str:
    """Return an embedded PNG with 256 colours at most, half the bytes; marks have a few alone."""
    kind, content = address.split(",", 1)
    packed = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(content)))
    image.quantize(method=Image.Quantize.FASTOCTREE).save(packed, "PNG", optimize=True)
    return f"{kind},{base64.b64encode(packed.getvalue()).decode()}"


def _shorten_numbers(element: Element) -> None:
    for key in element.attrib.keys() & _DECIMALS.keys():
        rounded = re.sub(
            r"-?\d*\.\d+(e-?\d+)?",
            lambda number, decimals=_DECIMALS[key]: _shortest(float(number[0]), decimals),
            element.attrib[key],
        )
        element.attrib[key] = _path(rounded) if key == "d" else " ".join(rounded.split())
    if re.fullmatch(r"rotate\(-?0 [^)]*\)", element.get("transform", "")):
        del element.attrib["transform"]


def _shortest(number: float, decimals: int) -> str:
    text = f"{number:.{decimals}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _path(text: str) -> str:
    """Write a path without blanks, and without the L that is understood after an M or an L."""
    parts, last = [], ""
    for command, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", text):
        understood = command == "L" and last in ("M", "L")
        parts.append((" " if understood else command) + " ".join(numbers.split()))
        last = command
    return "".join(parts).replace(" -", "-")


def _strip_blanks(element: Element) -> None:
    """Remove line breaks and indentation, also inside styles."""
    element.text = (element.text or "").strip() or None
    element.tail = (element.tail or "").strip() or None
    if style := element.get("style"):
        element.attrib["style"] = re.sub(r"([:;,]) +", r"\1", style).replace(_FONT, _FONTS)


def _shorten_names(root: Element) -> None:
    """Give the elements that others refer to short names, and the others none."""
    values = [value for element in root.iter() for value in element.attrib.values()]
    wanted = set(re.findall(r"(?:^|url\()#([\w-]+)", "\n".join(values), re.MULTILINE))
    names = _names()
    short: dict[str, str] = {}
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in wanted:
            if name not in short:  # equal definitions share a name
                short[name] = next(names)
            element.attrib["id"] = short[name]
    for element in root.iter():
        for key, value in element.attrib.items():
            element.attrib[key] = re.sub(
                r"(^|url\()#([\w-]+)", lambda m: f"{m[1]}#{short.get(m[2], m[2])}", value
            )


def _share_styles(root: Element) -> None:
    """Write the styles that several elements have as classes."""
    uses = Counter(element.get("style") for element in root.iter())
    names = _names()
    classes = {style: next(names) for style, number in uses.items() if style and number > 1}
    for element in root.iter():
        if element.get("style") in classes:
            element.attrib["class"] = classes[element.attrib.pop("style")]
    rules = "".join(f".{name}{{{style}}}" for style, name in classes.items())
    sheet = next(root.iter(f"{{{_SVG}}}style"))
    sheet.text = f"{sheet.text or ''}{rules}"


def _unwrap_groups(parent: Element) -> None:
    """Put the children of groups without attributes in their place."""
    children: list[Element] = []
    for child in parent:
        _unwrap_groups(child)
        plain = child.tag == f"{{{_SVG}}}g" and not child.attrib
        children += list(child) if plain else [child]
    parent[:] = children


def _names() -> Iterator[str]:
    """Yield a, b, … z, a1, b1, …"""
    for number in count():
        yield from (f"{letter}{number or ''}" for letter in ascii_lowercase)

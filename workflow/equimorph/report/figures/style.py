"""One look for every figure: colours, sizes, and files whose bytes depend on the data alone."""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType
from PIL import Image
from scour import scour

from equimorph.groups.names import CONTINUOUS_GROUPS, parse_group
from equimorph.io import atomic_path

# Text stays text. Where matplotlib's font is missing, Verdana has nearly its widths.
_FONTS = "'DejaVu Sans',Verdana,sans-serif"
_RASTER_DPI = 144  # of what an SVG holds as pixels, such as points on the sky
_PIXELS = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=\s]+)")

WIDTH = 9.6  # inches: the report's column of 960 px at 96 px per inch

# Okabe and Ito's palette, told apart under the common colour-vision deficiencies.
FAMILY_COLOURS = {"plain": "#4d4d4d", "cyclic": "#0072b2", "dihedral": "#d55e00"}
FAMILY_LABELS = {
    "plain": "no group (plain CNN)",
    "cyclic": "C$_n$: rotations",
    "dihedral": "D$_n$: rotations and reflections",
}
# Of plain networks, one after the other; dotted lines are chance and the like.
PLAIN_DASHES = ("--", "-.", (0, (6, 1, 1, 1, 1, 1)), (0, (12, 2)), (0, (2, 2)), (0, (12, 2, 2, 2)))
FAMILY_MARKERS = {"plain": "D", "cyclic": "o", "dihedral": "s"}
SUBSET_COLOURS = {
    "train": "#0072b2",
    "validation": "#e69f00",
    "test": "#009e73",
    "quarantined": "#cc79a7",
    "unused": "#bbbbbb",
}

# Classes in label order: Tol's muted palette, told apart under colour-vision deficiencies; where
# two are near, their markers differ. More classes begin anew.
CLASS_COLOURS = (
    *("#332288", "#88ccee", "#44aa99", "#117733", "#999933"),
    *("#ddcc77", "#cc6677", "#882255", "#aa4499", "#777777"),
)
CLASS_MARKERS = ("o", "s", "^", "v", "D")

_SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "equimorph",
    "svg.fonttype": "none",
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply the settings to figures that are made, and saved, inside the block."""
    with mpl.rc_context(_SETTINGS):
        yield


def family(group: str | None) -> str:
    """Return a model's family from its group: plain (none or C1), cyclic or dihedral.

    SO(2) counts as cyclic, O(2) as dihedral; a network that restricts its group from stage to
    stage, such as D8-D4-D1, counts by the last.
    """
    last = (group or "C1").rpartition("-")[2]
    if last == "C1":
        return "plain"
    reflects = last == "O2" if last in CONTINUOUS_GROUPS else parse_group(last).reflections
    return "dihedral" if reflects else "cyclic"


def line_styles(models: pd.Series) -> dict[str, dict[str, Any]]:
    """Return label, colour and dashes of each model's line, by name.

    Later models of a family are darker; plain networks are dashed, each in its own way.

    Args:
        models: group of each model (None or NaN for plain networks), indexed by name.
    """
    families = families_of(models)
    styles = {}
    for model, name in families.items():
        siblings = [m for m, f in families.items() if f == name]
        number = siblings.index(model)
        share = (number + 1) / len(siblings)
        weight = 0.35 + 0.65 * share
        if name == "plain":
            weight = 1 - 0.5 * (number // len(PLAIN_DASHES) % 2)
        styles[model] = {
            "label": model,
            "color": shade(FAMILY_COLOURS[name], weight),
            "linestyle": PLAIN_DASHES[number % len(PLAIN_DASHES)] if name == "plain" else "-",
        }
    return styles


def families_of(models: pd.Series) -> dict[str, str]:
    """Return the family of each model, by name; `models` holds their groups."""
    return {
        str(model): family(None if pd.isna(group) else group) for model, group in models.items()
    }


def shade(colour: str, weight: float) -> str:
    """Mix a colour with white: weight 1 is the colour itself, 0 is white."""
    red, green, blue = (1 - weight * (1 - channel) for channel in to_rgb(colour))
    return to_hex((red, green, blue))


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure as SVG or WebP, by the path's suffix, atomically and without a date."""
    buffer = io.BytesIO()
    vector = Path(path).suffix == ".svg"
    with styled(), atomic_path(path) as temporary:
        figure.savefig(
            buffer,
            format="svg" if vector else "png",
            metadata={"Date": None} if vector else None,
            dpi=_RASTER_DPI if vector else "figure",
            bbox_inches="tight" if vector else None,  # contact sheets fit already, to the pixel
            pad_inches=0.05,
        )
        if vector:
            temporary.write_text(_compact(buffer.getvalue().decode()), encoding="utf-8")
        else:  # photographs, which take ten times the bytes in a lossless format
            Image.open(buffer).convert("RGB").save(temporary, "WEBP", quality=80, method=6)


def _compact(svg: str) -> str:
    """Return an SVG of matplotlib in about half the bytes, looking the same."""
    options = scour.sanitizeOptions()
    options.digits = 5
    options.remove_metadata = options.strip_comments = options.strip_xml_prolog = True
    options.strip_ids = options.shorten_ids = options.enable_viewboxing = True
    options.indent_type, options.newlines = "none", False
    svg = _PIXELS.sub(_with_palette, svg.replace("'DejaVu Sans'", _FONTS))
    small = scour.scourString(svg, options)
    return small[small.index("<svg") :]  # without its DOCTYPE a drawing can stand in a page


def _with_palette(match: re.Match[str]) -> str:
    """Return an image's address with 64 colours, a third of the bytes; photographs as they are.

    Points have the few colours of their classes, and what lies under them shines through; an
    opaque image is one of galaxies.
    """
    image = Image.open(io.BytesIO(base64.b64decode(match[1])))
    if image.mode != "RGBA" or image.getchannel("A").getextrema()[0] == 255:
        return match[0]
    small = io.BytesIO()
    image.quantize(64, method=Image.Quantize.FASTOCTREE).save(small, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"

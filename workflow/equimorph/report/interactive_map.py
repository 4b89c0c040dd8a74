"""The interactive map of the report: places, classes and thumbnails of test galaxies, as JSON."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from equimorph.analyses.latent import nearest
from equimorph.report.figures.sheets import central, spread
from equimorph.report.figures.style import CLASS_COLOURS

MOST = 1000  # galaxies
LARGEST = 900_000  # bytes
TILE = 32  # px
_NEIGHBOURS = 5
_QUALITIES = (75, 50, 30, 10)


def map_data(
    stored: Mapping[str, NDArray],
    method: str,
    images: NDArray,
    classes: Sequence[str],
    crop: float,
) -> dict[str, Any]:
    """Return what the page draws, ready for JSON, with thumbnails as small as the limit asks.

    Args:
        stored: one network's embeddings file.
        method: the map to show, such as `tsne`.
        images: (N, H, H, 3) uint8 test images.
        classes: names in label order.
        crop: central part of an image that is shown, as a fraction of its side.
    """
    rows = spread(np.arange(len(images)), MOST)
    places = stored["maps"][list(map(str, stored["methods"])).index(method)][rows]
    reach = 2.1 * np.abs(places).max() or 1.0  # half of the canvas, and a margin
    side = max(1, round(crop * images.shape[1]))
    columns = math.ceil(math.sqrt(len(rows)))
    sheet = Image.new("RGB", (columns * TILE, math.ceil(len(rows) / columns) * TILE))
    for number, row in enumerate(rows):
        tile = Image.fromarray(np.ascontiguousarray(central(images[row], side)))
        corner = (number % columns * TILE, number // columns * TILE)
        sheet.paste(tile.resize((TILE, TILE), Image.Resampling.LANCZOS), corner)
    neighbours = nearest(stored["embeddings"][rows].astype(np.float64), _NEIGHBOURS)
    return {
        "of": len(images),
        "x": (places[:, 0] / reach).round(4).tolist(),
        "y": (places[:, 1] / reach).round(4).tolist(),
        "label": stored["label"][rows].tolist(),
        "predicted": stored["predicted"][rows].tolist(),
        "confidence": stored["confidence"][rows].astype(float).round(3).tolist(),
        "neighbours": neighbours.tolist(),
        "classes": list(classes),
        "colours": list(CLASS_COLOURS),
        "tile": TILE,
        "columns": columns,
        "sprite": _sprite(sheet),
    }


def _sprite(sheet: Image.Image) -> str:
    """Return a sheet of thumbnails as the address of a WebP file."""
    for quality in _QUALITIES:
        file = io.BytesIO()
        sheet.save(file, "WEBP", quality=quality, method=6)
        if file.tell() < 0.7 * LARGEST:  # base64 takes a third more
            break
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def inline_json(value: Any) -> Markup:
    """Return a value as JSON that may stand in a page's script element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))

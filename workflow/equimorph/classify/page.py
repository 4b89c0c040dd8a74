"""One page that is the classifier: a file that needs neither a server nor a network."""

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from numpy.typing import NDArray
from PIL import Image

from equimorph.classify.classifier import Classifier
from equimorph.classify.outliers import REASONS
from equimorph.errors import InputError
from equimorph.evaluation.temperature import fit_temperature
from equimorph.groups.names import parse_group
from equimorph.models.kernel_symmetry import moves
from equimorph.models.plain import Layer, Tensors, plain_layers
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import Checkpoint

WEB = Path(__file__).parent / "web"
SCRIPTS = ("network.js", "outliers.js", "page.js")
MOST_BYTES = 1_500_000  # of the page
EXACT_BYTES = 700_000  # of weights in single precision; more of them are rounded to 8 bits
MOST_EXAMPLES = 12
SMALL_SIDE = 96  # px up to which examples are kept without loss


@dataclass(frozen=True)
class PageNetwork:
    """A network that the page runs.

    Attributes:
        key: its name in the page's own identifiers.
        title: its name for readers.
        layers: as `models.plain` lists them.
        tensors: their weights.
        temperature: what its logits are divided by.
    """

    key: str
    title: str
    layers: list[Layer]
    tensors: Tensors
    temperature: float

    @property
    def is_rounded(self) -> bool:
        """Whether its weights are rounded to 8 bits, so that the page stays small."""
        return sum(4 * tensor.numel() for tensor in self.tensors.values()) > EXACT_BYTES


@dataclass(frozen=True)
class Example:
    """An image that comes with the page: its caption, and (H, H, 3) uint8."""

    name: str
    pixels: NDArray[np.uint8]


def render_page(
    study: str,
    classifier: Classifier,
    plain: PageNetwork | None = None,
    examples: Sequence[Example] = (),
) -> str:
    """Return the page.

    Args:
        study: its name.
        classifier: whose network answers; it must have a list of layers.
        plain: a network without symmetry to compare it with.
        examples: images to begin with.

    Raises:
        InputError: the network has no list of layers, or the page becomes too large.
    """
    companion = classifier.companion
    if companion is None or companion.layers is None:
        raise InputError("the page runs networks with a list of layers; this one has none.")
    if "orbit" in classifier.checkpoint.metadata["specification"]:
        raise InputError("the page runs no means over an orbit.")
    if classifier.checkpoint.preparation.stars_removed is not None:
        raise InputError("the page removes no field stars, without which it was trained.")
    title = str(classifier.checkpoint.metadata.get("model", "network"))
    own = PageNetwork("main", title, companion.layers, companion.tensors, companion.temperature)
    networks = [own] if plain is None else [own, plain]
    shown = [{"name": one.name, "image": _data_uri(one.pixels)} for one in examples]
    outliers = companion.outliers
    payload = {
        "classes": classifier.classes,
        "preparation": {
            key: getattr(classifier.checkpoint.preparation, key)
            for key in ("crop", "input_size", "antialias")
        },
        "field": classifier.field,
        "networks": {one.key: _packed(one) for one in networks},
        "examples": shown,
        "outliers": None
        if outliers is None
        else {
            "reasons": REASONS,
            **{name: np.asarray(value).tolist() for name, value in vars(outliers).items()},
        },
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((WEB / "page.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        study=study,
        networks=[{"key": one.key, "title": one.title, "note": _note(one)} for one in networks],
        classes=classifier.classes,
        credit=companion.credit,
        field=classifier.field,
        examples=shown,
        payload=_safe_json(payload),
        scripts=Markup("\n".join((WEB / name).read_text(encoding="utf-8") for name in SCRIPTS)),
    )
    if (size := len(page.encode())) > MOST_BYTES:
        raise InputError(f"the page would have {size} bytes; allowed are {MOST_BYTES}.")
    return page


def page_or_reason(
    study: str,
    classifier: Classifier,
    plain: PageNetwork | None = None,
    examples: Sequence[Example] = (),
) -> str:
    """Return the page, or a short one that says why this study has none; see `render_page`."""
    try:
        return render_page(study, classifier, plain, examples)
    except InputError as error:
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
            f"<title>Classify a galaxy: study {escape(study)}</title>\n"
            f"<p>The network of this study cannot run in a page: {escape(str(error))}</p>\n"
            "<p><code>equimorph predict</code> classifies with it.</p>\n</html>\n"
        )


def compared(
    checkpoint: Checkpoint,
    images: NDArray[np.uint8],
    labels: NDArray,
    removed: dict[str, Any],
) -> PageNetwork | None:
    """Return a network to compare with, None where it has branches, which the page cannot run.

    Args:
        checkpoint: the network.
        images: (N, W, W, 3) validation images, on which its temperature is fitted.
        labels: (N,) their classes.
        removed: which field stars of theirs are removed, as `Checkpoint.prepare` takes it.
    """
    try:
        layers, tensors = plain_layers(checkpoint.network)
    except InputError:
        return None
    logits = predict_logits(checkpoint.network, *checkpoint.prepare(images, **removed))
    temperature = fit_temperature(logits.numpy(), labels)
    title = str(checkpoint.metadata.get("model", "plain network"))
    return PageNetwork("plain", title, layers, tensors, temperature)


def examples_of(
    images: NDArray[np.uint8], rows: NDArray, labels: NDArray, classes: Sequence[str]
) -> list[Example]:
    """Return one image of each class, the first in the order of the rows."""
    first = {label: row for row, label in zip(rows[::-1], labels[::-1], strict=True)}
    return [Example(classes[n], np.array(images[first[n]])) for n in sorted(first)][:MOST_EXAMPLES]


def rounded(layers: Sequence[Layer], tensors: Tensors) -> Tensors:
    """Return weights as the page has them where they are rounded: 8 bits and a scale per row.

    Blurs and masks stay as they are: rounded row by row they would lose their symmetry.
    """
    chosen = {f"{number}.weight" for number, layer in enumerate(layers) if _is_rounded(layer)}
    return {
        name: _dequantised(*_quantised(tensor)) if name in chosen else tensor
        for name, tensor in tensors.items()
    }


def _is_rounded(layer: Layer) -> bool:
    return layer["kind"] in ("conv", "linear")


def _quantised(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    rows = tensor.flatten(1)
    scales = rows.abs().amax(dim=1).clamp_min(1e-12) / 127
    whole = (rows / scales[:, None]).round().to(torch.int8)
    return whole.view(tensor.shape), scales


def _dequantised(whole: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    return (whole.flatten(1).float() * scales[:, None]).view(whole.shape)


def _packed(network: PageNetwork) -> dict[str, Any]:
    layers = []
    for number, layer in enumerate(network.layers):
        packed: dict[str, Any] = {key: value for key, value in layer.items() if key != "group"}
        for name in ("weight", "bias"):
            tensor = network.tensors.get(f"{number}.{name}")
            if tensor is not None:
                smaller = network.is_rounded and name == "weight" and _is_rounded(layer)
                packed[name] = _tensor(tensor, smaller)
                if name == "weight":
                    packed["shape"] = list(tensor.shape)
        if "group" in layer:
            packed["moves"] = [
                {"flip": one.flip, "turns": one.turns, "permutation": one.permutation}
                for one in moves(parse_group(layer["group"]))
            ]
        layers.append(packed)
    return {"title": network.title, "temperature": network.temperature, "layers": layers}


def _tensor(tensor: torch.Tensor, is_rounded: bool) -> dict[str, str]:
    if is_rounded:
        whole, scales = _quantised(tensor)
        return {"values": _base64(whole), "scales": _base64(scales)}
    return {"values": _base64(tensor)}


def _base64(tensor: torch.Tensor) -> str:
    values = tensor.contiguous().numpy()
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _note(network: PageNetwork) -> str:
    if network.is_rounded:
        return "its weights are rounded to 8 bits here, so that this file stays small."
    return "its weights are the trained ones."


def _data_uri(pixels: NDArray[np.uint8]) -> str:
    """Return an image as an address; a large one is compressed with loss."""
    kind = "PNG" if len(pixels) <= SMALL_SIDE else "JPEG"
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **({} if kind == "PNG" else {"quality": 90}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def _safe_json(value: Any) -> Markup:
    """Return JSON that no script element ends in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

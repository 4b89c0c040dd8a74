"""A classifier's network as a file for other programs: ONNX, or a program of torch.export.

Both take prepared images and give logits; what else is needed, such as the temperature, lies beside
the network in the file. Each file is read again and compared before it gets its name.
"""

import json
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from equimorph.classify.classifier import Classifier
from equimorph.errors import InputError
from equimorph.io import atomic_path

OPSET = 18
TOLERANCE = 1e-4  # of the largest logit's difference
CHECKED = 5  # images; another number than the file was made with
INPUT, OUTPUT = "images", "logits"
METADATA = "equimorph.json"


def save_as(classifier: Classifier, path: str | Path) -> float:
    """Write the network in the format that the file's name ends in, .onnx or .pt2.

    Args:
        classifier: the one whose network is exported.
        path: the file.

    Returns:
        The largest difference of a logit from the network's own on random images.

    Raises:
        InputError: another ending, a package is missing, or the network takes more than images.
    """
    path = Path(path)
    formats = {".onnx": (_write_onnx, _run_onnx), ".pt2": (_write_program, _run_program)}
    if path.suffix.lower() not in formats:
        raise InputError(f"{path}: allowed are files that end in {', '.join(formats)}.")
    network = classifier.checkpoint.network
    if getattr(network, "measure", None) is not None:
        raise InputError(
            f"{path}: the network takes more than its images, which such a file cannot tell."
        )
    write, run = formats[path.suffix.lower()]
    size = classifier.checkpoint.preparation.input_size
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (CHECKED, 3, size, size), generator=draw).float()
    with atomic_path(path) as temporary:
        # The libraries go by the ending.
        written = temporary.with_suffix(path.suffix.lower())
        try:
            write(network, images[:2], json.dumps(facts(classifier)), written)
            with torch.inference_mode():
                difference = (run(written, images) - network(images)).abs().max().item()
            if not difference <= TOLERANCE:
                raise InputError(
                    f"{path}: its logits differ by {difference:.1e} from the network's."
                )
            written.replace(temporary)
        finally:
            written.unlink(missing_ok=True)
    return difference


def facts(classifier: Classifier) -> dict[str, Any]:
    """Return what a program needs to know beside the network, ready for JSON."""
    return {
        "classes": classifier.classes,
        "temperature": classifier.temperature,
        "preparation": classifier.checkpoint.preparation.stored(),
        "pixel_values": "0 to 255, RGB, channels first",
        "credit": "" if classifier.companion is None else classifier.companion.credit,
    }


def _write_onnx(network: torch.nn.Module, images: torch.Tensor, said: str, path: Path) -> None:
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if not find_spec(name)]
    if missing:
        raise InputError(
            f"ONNX: needs the optional packages {', '.join(missing)} "
            "(pip install equimorph[export])."
        )
    import onnx

    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about its own future
        program = torch.onnx.export(
            network,
            (images,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    if program is None:
        raise InputError("ONNX: the network cannot be exported.")
    model = program.model_proto
    onnx.helper.set_model_props(model, {METADATA: said})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _run_onnx(path: Path, images: torch.Tensor) -> torch.Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run([OUTPUT], {INPUT: images.numpy()})
    return torch.from_numpy(np.asarray(logits))


def _write_program(network: torch.nn.Module, images: torch.Tensor, said: str, path: Path) -> None:
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(_OneInput(network), (images,), dynamic_shapes=shapes)
    torch.export.save(program, path, extra_files={METADATA: said})


def _run_program(path: Path, images: torch.Tensor) -> torch.Tensor:
    return torch.export.load(path).module()(images)


class _OneInput(torch.nn.Module):
    """A network whose argument has a name, which torch.export needs for its shape."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images)

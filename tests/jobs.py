"""A tiny training as its script runs it: the files, the command line, and processes to kill."""

import importlib.util
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from equimorph.io import run, write_json
from equimorph.study.models import resolve
from equimorph.training.loop import Labelled

SCRIPT = Path(__file__).parents[1] / "workflow/scripts/train/train.py"
TRUNK = {
    "input_size": 33,
    "crop": 1.0,
    "mask": "soft",
    "fields": [2, 4, 6],
    "pool_after": [2, 3],
    "kernel_size": 3,
    "stem_kernel_size": 3,
    "stem_stride": 2,
    "width": 1.0,
    "match": "fields",
    "features": 4,
    "head": "pool",
}
RECIPE = {
    "epochs": 4,
    "batch_size": 16,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
    "label_smoothing": 0.1,
    "loss": {"kind": "focal"},
    "patience": 4,
    "precision": "float32",
    "augmentation": {
        "rotation": 180,
        "flip": 0.5,
        "scale": 1.2,
        "shift": 0.05,
        "brightness": 0.1,
    },
}


def blobs(count: int, seed: int, size: int = 33) -> Labelled:
    """Two classes: a round blob and an elongated one, at any angle."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    angle = torch.rand(count, 1, 1, generator=draw) * torch.pi
    axis = torch.linspace(-3, 3, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    u, v = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    narrow = torch.where(labels == 1, 3.0, 1.0)[:, None, None]
    images = 200 * torch.exp(-(u**2) - (narrow * v) ** 2) + 10
    noise = 5 * torch.randn(count, size, size, generator=draw)
    grey = (images + noise).clamp(0, 255).to(torch.uint8)
    return Labelled(grey[:, None].expand(-1, 3, -1, -1).contiguous(), labels)


class Job:
    """A training in a folder of its own."""

    def __init__(self, folder: Path, model: str = "CNN", subsets=(20, 20, 64), **recipe):
        """Write what the script reads.

        Args:
            folder: takes everything.
            model: a group, `CNN`, or an entry of the catalogue.
            subsets: numbers of test, validation and training images, which lie in this order.
            recipe: what differs from `RECIPE`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        data = blobs(sum(subsets), seed=0)
        self.images, self.split = folder / "images.npy", folder / "split.csv"
        np.save(self.images, data.images.permute(0, 2, 3, 1).numpy())
        names = np.repeat(["test", "validation", "train"], subsets)
        table = {"subset": names, "index": range(len(names)), "label": data.labels.numpy()}
        pd.DataFrame(table).to_csv(self.split, index=False)
        self.catalogue = folder / "catalogue.csv"
        pd.DataFrame({"pxscale": [2.0] * len(names)}).to_csv(self.catalogue, index=False)
        write_json(folder / "split.json", {"sha256": "of the split"})
        write_json(folder / "verified.json", {"sha256": "of the data"})
        self.folder = folder
        self.state = folder / "resume/state.pt"
        self.model = folder / "results/model.safetensors"
        self.history = folder / "results/history.csv"
        self.run = folder / "results/run.json"
        specification = resolve(model, {"CNN": {"architecture": "cnn"}}, TRUNK)
        self.options = {
            "images": self.images,
            "catalogue": self.catalogue,
            "verified-json": folder / "verified.json",
            "split": self.split,
            "split-json": folder / "split.json",
            "model": model,
            "specification": json.dumps(specification),
            "recipe": json.dumps({**RECIPE, **recipe}),
            "seed": 3,
            "resume": self.state,
            "output-model": self.model,
            "output-history": self.history,
            "output-run": self.run,
        }

    def arguments(self) -> list[str]:
        """Return the script's command line."""
        pairs = [(f"--{name}", str(value)) for name, value in self.options.items()]
        return [*(text for pair in pairs for text in pair), "--class-names", "round", "long"]

    def read_history(self) -> pd.DataFrame:
        """Return the history without what no two runs have alike."""
        return pd.read_csv(self.history).drop(columns="seconds")

    def start(self, before: Callable[[], None] | None = None) -> multiprocessing.Process:
        """Run the script in a process of its own, which writes to `log`, and return at once.

        It is forked from one that has imported everything: a start takes no seconds.

        Args:
            before: called there first.
        """
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload([__name__])
        child = processes.Process(target=_script, args=(self.arguments(), self.log, before))
        child.start()
        return child

    def finish(self, before: Callable[[], None] | None = None) -> int:
        """Run the script in a process of its own; return its exit status."""
        child = self.start(before)
        child.join(300)
        return child.exitcode

    @property
    def log(self) -> Path:
        """What the processes have written, one after the other."""
        return self.folder / "log.txt"


def _load(path: Path):
    specification = importlib.util.spec_from_file_location("train_script", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules["train_script"] = module
    specification.loader.exec_module(module)
    return module


def _script(arguments: list[str], log: Path, before: Callable[[], None] | None) -> None:
    """Be the script."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if before:
        before()
    run(lambda: train_script.main(arguments))


train_script = _load(SCRIPT)

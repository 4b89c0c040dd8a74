"""Train one model with one seed; write its weights, history and provenance.

Under `torchrun --nproc-per-node N` the processes share each batch; results are those of one process
up to rounding.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.data.tensors import network_input
from equimorph.device import DEVICES, open_device, peak_memory, within_memory
from equimorph.errors import InputError
from equimorph.groups.names import symmetry
from equimorph.io import read_json, run, sha256_of, write_json, write_text
from equimorph.models.checkpoint import save_checkpoint
from equimorph.models.counting import count_executed_macs, count_macs, count_parameters
from equimorph.models.initialisation import initialise
from equimorph.models.inputs import measured
from equimorph.models.preparation import Preparation, common_scale
from equimorph.models.registry import build
from equimorph.models.trained import load_checkpoint
from equimorph.progress import progress
from equimorph.provenance import digest, stamp
from equimorph.seeds import LABELS, WEIGHTS, stream
from equimorph.sources import ARCHITECTURES, LOSSES, local_modules
from equimorph.tracking.open import open_tracker
from equimorph.training.loop import Labelled, Progress, train
from equimorph.training.parallel import Processes, join
from equimorph.training.recipe import read_recipe
from equimorph.training.start import some_labels, start_from


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="memory-mapped images (.npy)")
    parser.add_argument("--catalogue", required=True, help="arcsec per pixel of each galaxy")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--verified-json", required=True, help="the raw file's digest")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--split-json", required=True, help="the split's hash and protocol")
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--specification", required=True, help="architecture and arguments, JSON")
    parser.add_argument("--recipe", required=True, help="training parameters, JSON")
    parser.add_argument("--class-names", required=True, nargs="+", help="names in label order")
    parser.add_argument("--seed", required=True, type=int, help="seed of weights and batches")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each process")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--start-from", help="trained network to start from (.safetensors)")
    parser.add_argument("--labels", type=int, help="number of training images; default: all")
    parser.add_argument("--resume", required=True, help="state of an unfinished training")
    records = os.environ.get("EQUIMORPH_TRACK", "{}")
    parser.add_argument("--track", default=records, type=json.loads, help="records to keep, JSON")
    parser.add_argument("--output-model", required=True, help="weights (.safetensors)")
    parser.add_argument("--output-history", required=True, help="one row per epoch (.csv)")
    parser.add_argument("--output-run", required=True, help="provenance and counts (.json)")
    return parser.parse_args(argv)


def load_subset(
    arguments: argparse.Namespace,
    subset: str,
    network: nn.Module,
    prepared: Preparation,
    crop: float,
    device: torch.device,
    some: int | None = None,
) -> Labelled:
    """Read the training or validation set as the network takes it, and put it on the device.

    `crop` is the part of the images that the network is shown, in the place of the preparation's.
    With `some`, so many of the images alone, which the seed chooses.
    """
    rows = read_split(arguments.split)[subset]
    labels = read_split(arguments.split, column="label")[subset]
    if some is not None:
        chosen = some_labels(labels, some, stream(arguments.seed, LABELS))
        rows, labels = rows[chosen], labels[chosen]
    images = open_images(arguments.images)[rows]
    return Labelled(
        network_input(images, prepared.input_size, crop, prepared.antialias).to(device),
        torch.tensor(labels, dtype=torch.int64, device=device),
        tuple(each.to(device) for each in measured(network, images)),
    )


def preparation(arguments: argparse.Namespace, specification: dict[str, Any]) -> Preparation:
    """Return how images are prepared before the network sees them."""
    return Preparation(
        side=open_images(arguments.images).shape[1],
        pixel_scale=common_scale(pd.read_csv(arguments.catalogue)["pxscale"].to_numpy()),
        stars_removed=arguments.stars_removed,
        crop=specification["crop"],
        input_size=specification["input_size"],
        antialias=specification.get("antialias", True),
        star_filter=arguments.star_filter,
    )


def begin(
    arguments: argparse.Namespace, network: nn.Module, specification: dict[str, Any]
) -> dict[str, Any]:
    """Let the training start from a trained network, if one is named.

    Return what it starts from, and with how many labels, where that is not all.
    """
    path = arguments.start_from
    some = {} if arguments.labels is None else {"labels": arguments.labels}
    if path is None:
        return some
    checkpoint = load_checkpoint(path)
    head = start_from(network, specification, arguments.class_names, checkpoint)
    told = ("model", "seed", "data_sha256", "split_sha256")
    started = {key: checkpoint.metadata[key] for key in told}
    return {**some, "start_from": {"sha256": sha256_of(path), **started, "head": head}}


@contextmanager
def epoch_bar(title: str | None, epochs: int) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Yield a function that shows an epoch's row in a progress bar; without a title, no bar."""
    if title is None:
        yield lambda row: None
        return
    with progress(epochs, title, "epochs") as bar:

        def report(row: Mapping[str, float]) -> None:
            summary = f"loss {row['train_loss']:.3f}, validation {row['validation_accuracy']:.3f}"
            bar.set_postfix_str(summary, refresh=False)
            bar.update(row["epoch"] - bar.n)

        yield report


def main(argv: list[str] | None = None) -> None:
    """Join the other processes, if there are any, and train."""
    arguments = parse_arguments(argv)
    torch.set_num_threads(arguments.threads)
    device = open_device(arguments.device)
    with join(device) as processes:
        train_model(arguments, device, processes)


def train_model(arguments: argparse.Namespace, device: torch.device, processes: Processes) -> None:
    """Train; the first process writes the files."""
    specification = json.loads(arguments.specification)
    settings = json.loads(arguments.recipe)
    classes = arguments.class_names

    network = build(specification, len(classes))
    initialise(network, stream(arguments.seed, WEIGHTS))
    beginning = begin(arguments, network, specification)
    network.to(device)
    recipe, prepared = read_recipe(settings), preparation(arguments, specification)
    root = Path(__file__).resolve().parents[2]
    job = {
        "specification": specification,
        "preparation": prepared.stored(),
        "recipe": settings,
        "seed": arguments.seed,
        "split_sha256": read_json(arguments.split_json)["sha256"],
        "data_sha256": read_json(arguments.verified_json)["sha256"],
        "images_sha256": sha256_of(arguments.images),  # whatever has made them of the data
        "classes": classes,
        **beginning,
        "device": str(device),
        "threads": arguments.threads,
        "world_size": processes.world_size,
    }
    named = [
        f"{ARCHITECTURES}.{specification['architecture']}",
        f"{LOSSES}.{settings['loss']['kind']}",
    ]
    identity = digest(job, [__file__, *local_modules(__file__, root, named)])

    crop = recipe.crop or prepared.crop
    some = arguments.labels
    training = load_subset(arguments, "train", network, prepared, crop, device, some)
    validation = load_subset(arguments, "validation", network, prepared, prepared.crop, device)
    resume = (Path(arguments.resume), identity)
    tracked = arguments.track if processes.is_first else {}
    tracker = open_tracker(tracked, arguments.model, job, identity, resume[0].exists())
    advice = f"Lower train.batch_size (now {recipe.batch_size})."
    title = f"{arguments.model} seed {arguments.seed}" if processes.is_first else None
    with within_memory(advice), tracker, epoch_bar(title, recipe.epochs) as bar:
        report = tracker.following(bar)
        trained = train(
            network, training, validation, recipe, arguments.seed, resume, report, processes
        )
    if not processes.is_first:
        return
    try:
        write_results(arguments, network, job, identity, trained, len(training), device)
    except InputError as error:
        raise InputError(f"{error} The training is kept in {arguments.resume}.") from error
    tracker.finish(arguments.output_model, arguments.output_history, arguments.output_run)
    Path(arguments.resume).unlink(missing_ok=True)


def write_results(
    arguments: argparse.Namespace,
    network: nn.Module,
    job: dict[str, Any],
    identity: str,
    trained: Progress,
    images: int,
    device: torch.device,
) -> None:
    """Write weights, history and provenance; `images` were trained on."""
    specification, size = job["specification"], job["specification"]["input_size"]
    best = trained.history[trained.best_epoch - 1]
    group, order = symmetry(specification)
    save_checkpoint(arguments.output_model, trained.best_state, {**job, "model": arguments.model})
    write_text(arguments.output_history, pd.DataFrame(trained.history).to_csv(index=False))
    write_json(
        arguments.output_run,
        {
            "model": arguments.model,
            "architecture": specification["architecture"],
            "group": group,
            "group_order": order,
            "parameters": count_parameters(network),
            "macs": count_macs(network, size),
            "executed_macs": count_executed_macs(network, size),
            "input_size": size,
            "train_seconds": trained.seconds,
            "images_per_second": trained.images / trained.seconds,
            "peak_memory_bytes": peak_memory(device),
            "train_images": images,
            "epochs": len(trained.history),
            "best_epoch": trained.best_epoch,
            "validation_accuracy": best["validation_accuracy"],
            "validation_loss": best["validation_loss"],
            **job,
            "job_sha256": identity,
            **stamp(str(device), arguments.threads),
        },
    )


if __name__ == "__main__":
    run(main)

"""Measure one model: every condition, over its seeds, from stored predictions."""

import argparse
from pathlib import Path

import numpy as np

from equimorph.errors import InputError
from equimorph.evaluation.predictions import TURNS, by_condition
from equimorph.evaluation.summary import accuracy_without, summarise_condition, summarise_runs
from equimorph.io import read_json, read_paths, run, write_json
from equimorph.provenance import stamp

ZERO_LABELS = "clean, pretrained alone"
APART = {TURNS: "turns", ZERO_LABELS: "zero_labels"}


def main(argv: list[str] | None = None) -> None:
    """Read predictions and runs of one model; write its measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        help="list of <model>/seed-<s>.npz of the model, one a line",
    )
    parser.add_argument(
        "--runs", type=Path, required=True, help="list of run.json of the model, one a line"
    )
    parser.add_argument(
        "--zero-labels",
        type=Path,
        help="list of predictions of the pretrained networks alone, one a line",
    )
    parser.add_argument("--split-json", type=Path, required=True, help="the split's description")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument("--bootstrap", type=int, default=2000, help="resamples of images and seeds")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resamples")
    parser.add_argument("--output", type=Path, required=True, help="measures, JSON")
    arguments = parser.parse_args(argv)

    runs = [read_json(path) for path in read_paths(arguments.runs)]
    model = summarise_runs(runs)
    conditions = by_condition(read_paths(arguments.predictions))
    if arguments.zero_labels:
        conditions[ZERO_LABELS] = by_condition(read_paths(arguments.zero_labels))["clean"]
    for name, by_seed in conditions.items():
        if set(by_seed) != set(model["seeds"]):
            raise InputError(
                f"condition {name}: predictions of seeds {sorted(by_seed)}, but runs of seeds "
                f"{sorted(model['seeds'])}; they must be the same."
            )
    # A fresh generator per condition: the same images are drawn for all conditions and models.
    summaries = {
        name: summarise_condition(
            {seed: by_seed[seed] for seed in model["seeds"]},
            arguments.class_names,
            arguments.bootstrap,
            np.random.default_rng(arguments.seed),
        )
        for name, by_seed in conditions.items()
    }
    if leaking := read_json(arguments.split_json).get("leaks", {}).get("test_rows"):
        for name, summary in summaries.items():
            summary["without_leaks"] = accuracy_without(conditions[name], leaking)
    # Beside the conditions: other ways to use a network, or another network.
    apart = {key: summaries.pop(name) for name, key in APART.items() if name in summaries}
    write_json(
        arguments.output,
        {
            "model": runs[0]["model"],
            **model,
            "classes": arguments.class_names,
            "bootstrap": {"draws": arguments.bootstrap, "seed": arguments.seed},
            "test_images": len(next(iter(next(iter(conditions.values())).values())).index),
            "conditions": summaries,
            **apart,
            **stamp("cpu", threads=1),
        },
        compact=True,
    )


if __name__ == "__main__":
    run(main)

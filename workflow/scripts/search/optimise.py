"""Search for the values of training parameters with the lowest validation loss."""

import argparse
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from equimorph.device import DEVICES
from equimorph.io import read_json, run, sha256_of, write_json, write_text
from equimorph.progress import progress
from equimorph.provenance import digest, stamp
from equimorph.search import trial
from equimorph.search.outcome import best_of, trials_csv
from equimorph.search.workers import run_trials
from equimorph.sources import local_modules
from equimorph.study.search_space import named_modules, read_space
from equimorph.tracking.open import open_search_record


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="memory-mapped images (.npy)")
    parser.add_argument("--verified-json", required=True, help="the raw file's digest")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--split-json", required=True, help="the split's hash and protocol")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--training", required=True, help="what trainings depend on, JSON")
    parser.add_argument("--search", required=True, help="trials, seeds, space and so on, JSON")
    parser.add_argument("--class-names", required=True, nargs="+", help="names in label order")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of all trials together")
    parser.add_argument("--per-trial", type=int, default=1, help="CPU threads of one trial")
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="where to compute")
    parser.add_argument("--storage", required=True, help="the search's database, kept (.db)")
    records = os.environ.get("EQUIMORPH_TRACK", "{}")
    parser.add_argument("--track", default=records, type=json.loads, help="records to keep, JSON")
    parser.add_argument("--output-trials", required=True, help="one row per trial (.csv)")
    parser.add_argument("--output-study", required=True, help="trials and provenance (.json)")
    return parser.parse_args(argv)


def describe_job(arguments: argparse.Namespace, part: dict, settings: dict) -> dict[str, Any]:
    """Return all that the trials' losses and the draws depend on."""
    root = Path(__file__).resolve().parents[2]
    named = named_modules(part, read_space(settings["space"]))
    return {
        "training": part,
        **{key: settings[key] for key in ("seeds", "seed", "sampler", "pruner", "space")},
        "split_sha256": read_json(arguments.split_json)["sha256"],
        "data_sha256": read_json(arguments.verified_json)["sha256"],
        "images_sha256": sha256_of(arguments.images),
        "classes": arguments.class_names,
        "device": arguments.device,
        "threads": arguments.per_trial,
        "sources": digest(None, [trial.__file__, *local_modules(trial.__file__, root, named)]),
    }


def main(argv: list[str] | None = None) -> None:
    """Run the trials that are missing; write the table of all and the study."""
    # Here, so that a missing Optuna ends in one sentence, and workers, which read this file again,
    # do without it.
    from equimorph.search.study import Search, describe_values, locked

    arguments = parse_arguments(argv)
    record = open_search_record(arguments.track)
    part, settings = read_json(arguments.training), read_json(arguments.search)
    (model,) = part["train"]["models"]
    job, space = describe_job(arguments, part, settings), read_space(settings["space"])
    material = {
        "images": arguments.images,
        "split": arguments.split,
        "part": part,
        "seeds": settings["seeds"],
        "classes": len(arguments.class_names),
        "device": arguments.device,
    }
    with locked(arguments.storage):
        search = Search(arguments.storage, arguments.study, job, digest(job), space, settings)
        for line in search.log:
            print(line, flush=True)
        ended = len(search.results())
        with progress(settings["trials"], f"search {model}", "trials", ended) as bar:

            def announce(line: str) -> None:
                bar.write(line)
                bar.update()

            side_by_side = max(1, arguments.threads // arguments.per_trial)
            run_trials(search, side_by_side, arguments.per_trial, material, announce)
        results = search.results()
    best = best_of(results)
    print(
        f"The best is trial {best['trial']} with a validation loss of "
        f"{best['validation_loss']:.4f}: {describe_values(best['values'])}."
    )
    write_text(arguments.output_trials, trials_csv(results))
    outcome = {
        "study": arguments.study,
        "model": model,
        "best": best,
        "trials": results,
        "space": {key: vars(span) for key, span in space.items()},
        "database": search.study.study_name,
        "job": job,
        **stamp(arguments.device, arguments.threads),
        "optuna": version("optuna"),
    }
    write_json(arguments.output_study, outcome)
    record(outcome)


if __name__ == "__main__":
    run(main)

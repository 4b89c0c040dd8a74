"""Write the model card of the study's classifier."""

import argparse
from pathlib import Path

from equimorph.classify.companion import load_companion
from equimorph.evaluation.predictions import model_and_seed, read_predictions
from equimorph.io import read_json, read_paths, run, write_text
from equimorph.models.trained import read_checkpoint
from equimorph.report.card import model_card


def main(argv: list[str] | None = None) -> None:
    """Read what is known of the network; write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="its name")
    parser.add_argument("--model", type=Path, required=True, help="weights (.safetensors)")
    parser.add_argument("--companion", type=Path, required=True, help="what lies beside")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--runs", type=Path, required=True, help="list of run.json, one a line")
    parser.add_argument("--predictions", type=Path, required=True, help="list of .npz, one a line")
    parser.add_argument("--bootstrap", type=int, required=True, help="resamples")
    parser.add_argument("--seed", type=int, required=True, help="seed of the resamples")
    parser.add_argument("--output", required=True, help="card (.md)")
    arguments = parser.parse_args(argv)

    metadata, _, _ = read_checkpoint(arguments.model)
    chosen = metadata["model"], metadata["seed"]
    companion = load_companion(arguments.companion, len(metadata["classes"]))
    (own,) = [p for p in read_paths(arguments.runs) if model_and_seed(p) == chosen]
    (path,) = [p for p in read_paths(arguments.predictions) if model_and_seed(p) == chosen]
    metrics, clean = read_json(arguments.metrics), read_predictions(path)["clean"]
    card = model_card(
        arguments.study,
        read_json(own),
        metrics["models"][chosen[0]]["conditions"],
        metrics["split"],
        {
            "temperature": companion.temperature,
            "validation": companion.validation,
            "credit": companion.credit,
        },
        clean.logits,
        clean.label,
        arguments.bootstrap,
        arguments.seed,
    )
    write_text(arguments.output, card)


if __name__ == "__main__":
    run(main)

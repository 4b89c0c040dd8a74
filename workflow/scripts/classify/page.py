"""Write the page that classifies galaxies: one file with the network, to open anywhere."""

import argparse
from pathlib import Path

from equimorph.classify.classifier import load
from equimorph.classify.make import best_run
from equimorph.classify.page import compared, examples_of, page_or_reason
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.data.star_filters import SEEING
from equimorph.evaluation.predictions import model_and_seed
from equimorph.io import read_json, read_paths, run, write_text
from equimorph.models.trained import load_checkpoint


def main(argv: list[str] | None = None) -> None:
    """Read the classifier and the network to compare it with; write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, help="its name")
    parser.add_argument("--classifier", type=Path, required=True, help="folder with both files")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--runs", type=Path, required=True, help="list of run.json, one a line")
    parser.add_argument("--models", type=Path, required=True, help="list of weights, one a line")
    parser.add_argument("--images", required=True, help="memory-mapped images (.npy)")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument("--stars-removed", type=int, help="seed, if their field stars are removed")
    parser.add_argument("--star-filter", default=SEEING, help="what has removed them then")
    parser.add_argument("--output", required=True, help="page, HTML")
    arguments = parser.parse_args(argv)

    classifier = load(arguments.classifier)
    images = open_images(arguments.images)
    rows, labels = (read_split(arguments.split, column=name) for name in ("index", "label"))
    metrics = read_json(arguments.metrics)
    runs = {model_and_seed(path): read_json(path) for path in read_paths(arguments.runs)}
    chosen = best_run(metrics["reference"], runs)
    plain = None
    if chosen is not None and metrics["reference"] != classifier.checkpoint.metadata["model"]:
        (path,) = [p for p in read_paths(arguments.models) if model_and_seed(p) == chosen]
        removed = {"stars_removed": arguments.stars_removed, "star_filter": arguments.star_filter}
        pixels = images[rows["validation"]]
        plain = compared(load_checkpoint(path), pixels, labels["validation"], removed)
    examples = examples_of(images, rows["test"], labels["test"], classifier.classes)
    write_text(arguments.output, page_or_reason(arguments.study, classifier, plain, examples))


if __name__ == "__main__":
    run(main)

"""Plot latent spaces: flat maps of the best and the reference, numbers of all networks."""

import argparse
from pathlib import Path

from equimorph.analyses.array_file import read_arrays
from equimorph.io import read_json, run
from equimorph.report.figures.latent import latent_maps, latent_numbers
from equimorph.report.figures.style import save
from equimorph.report.shown import shown


def main(argv: list[str] | None = None) -> None:
    """Read embeddings and measures; write both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", nargs="+", type=Path, required=True, help="<model>.npz, each"
    )
    parser.add_argument("--measures", type=Path, required=True, help="measures, JSON")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output-maps", type=Path, required=True, help="maps, SVG")
    parser.add_argument("--output-numbers", type=Path, required=True, help="measures, SVG")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    by_model = {path.stem: path for path in arguments.embeddings}
    maps = {}
    for name in shown(metrics, by_model):
        stored = read_arrays(by_model[name])
        maps[name] = dict(zip(map(str, stored["methods"]), stored["maps"], strict=True))
        label = stored["label"]
    save(latent_maps(maps, label, metrics["data"]["classes"]), arguments.output_maps)
    groups = {name: model["group"] for name, model in metrics["models"].items()}
    save(latent_numbers(read_json(arguments.measures), groups), arguments.output_numbers)


if __name__ == "__main__":
    run(main)

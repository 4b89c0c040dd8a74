"""Write what the report's interactive map shows: places, classes and thumbnails."""

import argparse
from pathlib import Path

import numpy as np

from equimorph.analyses.array_file import read_arrays
from equimorph.io import read_json, run, write_json
from equimorph.report.figures.latent import METHOD_NAMES
from equimorph.report.interactive_map import map_data
from equimorph.report.shown import shown

_PREFERRED = "tsne"


def main(argv: list[str] | None = None) -> None:
    """Read the best network's embeddings and the test images; write the map."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", nargs="+", type=Path, required=True, help="<model>.npz, each"
    )
    parser.add_argument("--images", type=Path, required=True, help="clean test images (.npy)")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--crop", type=float, default=1.0, help="central part that is shown")
    parser.add_argument("--output", type=Path, required=True, help="map, JSON")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    by_model = {path.stem: path for path in arguments.embeddings}
    name = shown(metrics, by_model)[0]
    stored = read_arrays(by_model[name])
    methods = [str(name) for name in stored["methods"]]
    method = _PREFERRED if _PREFERRED in methods else methods[0]
    images = np.load(arguments.images, mmap_mode="r")
    classes = metrics["data"]["classes"]
    data = map_data(stored, method, images, classes, arguments.crop)
    write_json(
        arguments.output, {"model": name, "method": METHOD_NAMES[method], **data}, compact=True
    )


if __name__ == "__main__":
    run(main)

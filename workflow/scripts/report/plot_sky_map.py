"""Plot the positions of the images on the sky."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.io import run
from equimorph.report.figures.catalogue import sky_map
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read catalogue and split; write the map."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", type=Path, required=True, help="catalogue, CSV")
    parser.add_argument("--split", type=Path, required=True, help="split, CSV")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    catalogue = pd.read_csv(arguments.catalogue)
    split = pd.read_csv(arguments.split).drop_duplicates("index").set_index("index")["subset"]
    figure = sky_map(
        catalogue["ra"].to_numpy(float),
        catalogue["dec"].to_numpy(float),
        catalogue["index"].map(split).to_numpy(),
        catalogue["label"].to_numpy(),
        arguments.class_names,
    )
    save(figure, arguments.output)


if __name__ == "__main__":
    run(main)

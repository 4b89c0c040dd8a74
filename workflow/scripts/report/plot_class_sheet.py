"""Show examples of each class from the training set."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from equimorph.io import run
from equimorph.report.figures.sheets import contact_sheet, spread
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read images and split; write the contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="all images, npy")
    parser.add_argument("--split", type=Path, required=True, help="split, CSV")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument("--columns", type=int, default=6, help="examples per class")
    parser.add_argument("--output", type=Path, required=True, help="contact sheet, WebP")
    arguments = parser.parse_args(argv)

    images = np.load(arguments.images, mmap_mode="r")
    split = pd.read_csv(arguments.split)
    train = split[split["subset"] == "train"].sort_values("index")
    by_class = train.groupby("label")["index"]
    rows = [
        [images[k] for k in spread(index.to_numpy(), arguments.columns)] for _, index in by_class
    ]
    labels = [arguments.class_names[label] for label in by_class.groups]
    save(contact_sheet(rows, labels), arguments.output)


if __name__ == "__main__":
    run(main)

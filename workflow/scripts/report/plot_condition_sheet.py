"""Show the same test galaxies under every condition."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from equimorph.errors import InputError
from equimorph.io import run
from equimorph.report.figures.sheets import central, contact_sheet
from equimorph.report.figures.style import save
from equimorph.report.wording import condition_label

# The galaxy itself: whole images, shrunk to the sheet's cells, would average the noise away.
_CROP = 144  # pixels


def main(argv: list[str] | None = None) -> None:
    """Read the split and the test images of all conditions; write the contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", type=Path, required=True, help="split, CSV")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument(
        "--conditions",
        nargs="+",
        type=Path,
        required=True,
        help="files <condition>.npy with the test images in the split's order",
    )
    parser.add_argument("--output", type=Path, required=True, help="contact sheet, WebP")
    arguments = parser.parse_args(argv)

    split = pd.read_csv(arguments.split)
    labels = split[split["subset"] == "test"].sort_values("index")["label"].to_numpy()
    shown, first = np.unique(labels, return_index=True)  # one galaxy of each class
    rows = []
    for path in arguments.conditions:
        images = np.load(path, mmap_mode="r")
        if len(images) != len(labels):
            raise InputError(
                f"{path}: {len(images)} images, but the split has {len(labels)} test images."
            )
        rows.append([central(images[k], _CROP) for k in first])
    sheet = contact_sheet(
        rows,
        [condition_label(path.stem) for path in arguments.conditions],
        [arguments.class_names[label] for label in shown],
    )
    save(sheet, arguments.output)


if __name__ == "__main__":
    run(main)

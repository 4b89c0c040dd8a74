"""Measure the training galaxies, and show how images are prepared and augmented."""

import argparse
from pathlib import Path

import numpy as np

from equimorph.analyses.array_file import write_arrays
from equimorph.analyses.exploration import (
    augmented_sheet,
    by_class,
    galaxy_table,
    prepared_sheet,
)
from equimorph.data.catalogue import read_catalogue
from equimorph.data.image_file import open_images
from equimorph.data.split_file import read_split
from equimorph.evaluation.table_file import write_table
from equimorph.io import read_json, run, write_json

_SHOWN = 10  # galaxies on each sheet at most, one of a class
_DRAWS = 7


def main(argv: list[str] | None = None) -> None:
    """Read images, catalogue and split; write measures, their medians and the sheets' images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="images as taken (.npy)")
    parser.add_argument("--catalogue", required=True, help="catalogue, CSV")
    parser.add_argument("--split", required=True, help="subset, index, label of each galaxy")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument("--augmentation", type=Path, required=True, help="its settings, JSON")
    parser.add_argument("--seed", type=int, required=True, help="seed of what is drawn")
    parser.add_argument("--output-galaxies", required=True, help="measures, CSV")
    parser.add_argument("--output-medians", required=True, help="their medians by class, JSON")
    parser.add_argument("--output-sheets", required=True, help="images of the sheets, npz")
    arguments = parser.parse_args(argv)

    images, catalogue = open_images(arguments.images), read_catalogue(arguments.catalogue)
    split, label = (read_split(arguments.split, column=c)["train"] for c in ("index", "label"))
    galaxies = galaxy_table(images, catalogue, split)
    _, first = np.unique(label, return_index=True)
    rows = split[first][:_SHOWN]
    shown = np.stack([np.asarray(images[row]) for row in rows])
    scale = float(catalogue["pxscale"].iloc[rows].fillna(1.0).median())
    preparations = prepared_sheet(shown, scale, arguments.seed)
    write_arrays(
        arguments.output_sheets,
        {
            "label": label[first][:_SHOWN],
            "names": np.array(list(preparations)),
            "prepared": np.stack(list(preparations.values())),
            "augmented": augmented_sheet(
                shown, read_json(arguments.augmentation), _DRAWS, arguments.seed
            ),
        },
    )
    write_table(arguments.output_galaxies, galaxies)
    medians = {"galaxies": len(galaxies), "classes": by_class(galaxies, arguments.class_names)}
    write_json(arguments.output_medians, medians, compact=True)


if __name__ == "__main__":
    run(main)

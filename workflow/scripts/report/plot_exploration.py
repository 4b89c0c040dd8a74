"""Plot what the data look like: galaxies by class, preparations, augmentations."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.analyses.array_file import read_arrays
from equimorph.io import run
from equimorph.report.figures.exploration import galaxies_by_class
from equimorph.report.figures.sheets import contact_sheet
from equimorph.report.figures.style import save

_CELL = 96  # px


def main(argv: list[str] | None = None) -> None:
    """Read measures and sheets; write three figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--galaxies", type=Path, required=True, help="measures, CSV")
    parser.add_argument("--sheets", type=Path, required=True, help="images of the sheets, npz")
    parser.add_argument(
        "--class-names", nargs="+", required=True, help="class names in label order"
    )
    parser.add_argument("--output-galaxies", type=Path, required=True, help="violins, SVG")
    parser.add_argument("--output-preparations", type=Path, required=True, help="sheet, WebP")
    parser.add_argument("--output-augmentations", type=Path, required=True, help="sheet, WebP")
    arguments = parser.parse_args(argv)

    galaxies = pd.read_csv(arguments.galaxies)
    save(galaxies_by_class(galaxies, arguments.class_names), arguments.output_galaxies)
    sheets = read_arrays(arguments.sheets)
    names = [arguments.class_names[label] for label in sheets["label"]]
    prepared = [list(row) for row in sheets["prepared"]]
    preparations = contact_sheet(prepared, list(map(str, sheets["names"])), names, cell=_CELL)
    save(preparations, arguments.output_preparations)
    augmented = [list(row) for row in sheets["augmented"]]
    draws = ["as taken", *(f"draw {n}" for n in range(1, len(augmented[0])))]
    save(contact_sheet(augmented, names, draws, cell=_CELL), arguments.output_augmentations)


if __name__ == "__main__":
    run(main)

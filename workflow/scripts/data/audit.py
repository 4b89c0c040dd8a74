"""Audit a data set for duplicates, neighbours and gaps."""

import argparse
from collections.abc import Sequence

from equimorph.data.audit import audit
from equimorph.data.catalogue import read_catalogue
from equimorph.data.lookalikes import read_blank, read_lookalikes
from equimorph.io import run, write_json, write_text


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the arguments, audit, write the report and the pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogue", required=True, help="catalogue.csv of the data set")
    parser.add_argument("--lookalikes", required=True, help="pairs that are one image, CSV")
    parser.add_argument("--blank", required=True, help="images that show nothing, CSV")
    parser.add_argument("--classes", required=True, type=int, help="number of classes")
    parser.add_argument(
        "--radius-arcsec", type=float, default=67.0, help="largest separation of listed pairs"
    )
    parser.add_argument("--output-audit", required=True, help="audit.json to write")
    parser.add_argument("--output-neighbours", required=True, help="neighbours.csv to write")
    arguments = parser.parse_args(argv)

    catalogue = read_catalogue(arguments.catalogue)
    report, neighbours = audit(
        catalogue,
        arguments.classes,
        arguments.radius_arcsec,
        read_lookalikes(arguments.lookalikes, len(catalogue)),
        read_blank(arguments.blank, len(catalogue)),
    )
    write_json(arguments.output_audit, report)
    write_text(arguments.output_neighbours, neighbours.to_csv(index=False, lineterminator="\n"))
    for warning in report["warnings"]:
        print(f"note: {warning}")


if __name__ == "__main__":
    run(main)

"""Plot a search: its history, and the loss against each searched key."""

import argparse

from equimorph.io import read_json, run
from equimorph.report.figures.search import search_history, search_slices
from equimorph.report.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Read a search; write its two figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search-json", required=True, help="the search's trials and best one")
    parser.add_argument("--output-history", required=True, help="figure, SVG")
    parser.add_argument("--output-slices", required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    found = read_json(arguments.search_json)
    best = found["best"]["trial"]
    save(search_history(found["trials"], best), arguments.output_history)
    save(search_slices(found["trials"], best, found["space"]), arguments.output_slices)


if __name__ == "__main__":
    run(main)

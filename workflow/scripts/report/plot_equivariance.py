"""Plot error and accuracy of every model against the angle by which images are turned."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from equimorph.io import read_json, run
from equimorph.report.figures.equivariance import error_against_angle
from equimorph.report.figures.style import save


def rows(audit: dict[str, Any]) -> pd.DataFrame:
    """Return one audit as a table: a row per angle, and one for the mirror image."""
    turned = pd.DataFrame(
        {"angle": audit["angles"], "error": audit["error"], "accuracy": audit["accuracy"]}
    )
    mirrored = pd.DataFrame([{"angle": 0.0, **audit["reflected"]}])
    table = pd.concat([turned.assign(reflected=False), mirrored.assign(reflected=True)])
    measures = table[["error", "accuracy"]].astype(float)  # an error of null is NaN, and not drawn
    return table.assign(**measures, **{key: audit[key] for key in ("model", "group", "seed")})


def main(argv: list[str] | None = None) -> None:
    """Read the audits of all models and seeds; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--audits", nargs="+", type=Path, required=True, help="JSON, models in display order"
    )
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    audits = pd.concat([rows(read_json(path)) for path in arguments.audits], ignore_index=True)
    save(error_against_angle(audits), arguments.output)


if __name__ == "__main__":
    run(main)

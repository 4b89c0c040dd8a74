"""Plot error and accuracy of every model against the angle by which images are rotated."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from equimorph.io import read_json, read_paths, run
from equimorph.report.figures.equivariance import error_against_angle
from equimorph.report.figures.style import save


def rows(measured: dict[str, Any]) -> pd.DataFrame:
    """Return what was measured of one model as a table: a row per angle, one for the reflection."""
    rotated = pd.DataFrame({key: measured[key] for key in ("error", "accuracy")})
    rotated = rotated.assign(angle=measured["angles"], reflected=False)
    reflected = pd.DataFrame([{**measured["reflected"], "angle": 0.0, "reflected": True}])
    table = pd.concat([rotated, reflected])
    metrics = table[["error", "accuracy"]].astype(float)  # an error of null is NaN, and not drawn
    return table.assign(**metrics, **{key: measured[key] for key in ("model", "group", "seed")})


def main(argv: list[str] | None = None) -> None:
    """Read what was measured of all models and seeds; write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--equivariance",
        type=Path,
        required=True,
        help="list of JSON files, one a line, models in display order",
    )
    parser.add_argument("--output", type=Path, required=True, help="figure, SVG")
    arguments = parser.parse_args(argv)

    tables = [rows(read_json(path)) for path in read_paths(arguments.equivariance)]
    save(error_against_angle(pd.concat(tables, ignore_index=True)), arguments.output)


if __name__ == "__main__":
    run(main)

"""Show where networks look, clean and degraded, and how their feature maps turn."""

import argparse
from pathlib import Path

from equimorph.analyses.array_file import read_arrays
from equimorph.io import read_json, run
from equimorph.report.figures.explanation import explanations, feature_map_sheet
from equimorph.report.figures.style import save
from equimorph.report.shown import shown

_TURNS = (0, 90, 180, 270)


def main(argv: list[str] | None = None) -> None:
    """Read the explanations; write both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--explanations", nargs="+", type=Path, required=True, help="<model>.npz, each"
    )
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--output-maps", type=Path, required=True, help="class activation maps")
    parser.add_argument("--output-features", type=Path, required=True, help="feature maps")
    arguments = parser.parse_args(argv)

    metrics = read_json(arguments.metrics)
    stored = {path.stem: read_arrays(path) for path in arguments.explanations}
    detailed = {name: stored[name] for name in shown(metrics, stored)}
    save(explanations(detailed, metrics["data"]["classes"]), arguments.output_maps)
    inside = {
        name: {
            key.removeprefix("features/"): values
            for key, values in one.items()
            if key.startswith("features/")
        }
        for name, one in detailed.items()
    }
    image = next(iter(detailed.values()))["images"][0][0]
    save(feature_map_sheet(inside, image, _TURNS), arguments.output_features)


if __name__ == "__main__":
    run(main)

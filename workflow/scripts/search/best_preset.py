"""Write the best trial of a search as a preset that `snakemake --configfile` runs."""

import argparse

from equimorph.io import read_json, run, write_text
from equimorph.search.outcome import best_study, preset_text
from equimorph.study.yaml_files import read_yaml


def main(argv: list[str] | None = None) -> None:
    """Read a search; write the preset of its best trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search-json", required=True, help="the search's trials and best one")
    parser.add_argument("--single", required=True, help="the study of the one model, JSON")
    parser.add_argument("--config", required=True, help="what a preset is merged into")
    parser.add_argument("--output", required=True, help="preset, YAML")
    arguments = parser.parse_args(argv)

    outcome = read_json(arguments.search_json)
    overlay = best_study(read_json(arguments.single), outcome, read_yaml(arguments.config))
    write_text(arguments.output, preset_text(overlay, outcome, arguments.output))


if __name__ == "__main__":
    run(main)

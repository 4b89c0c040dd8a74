"""The equimorph command."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equimorph import __version__
from equimorph.errors import InputError
from equimorph.io import run, write_json
from equimorph.lineage import text
from equimorph.lineage.trace import trace
from equimorph.models.trunk import S1_FIELDS, S1_POOL_AFTER
from equimorph.study.models import resolve
from equimorph.study.published_models import PUBLISHED, published_size
from equimorph.study.yaml_files import merged, read_yaml

# The command belongs to a checkout: the config and the presets lie beside the workflow.
ROOT = Path(__file__).resolve().parents[3]
GROUPS = [f"{family}{n}" for family in "CD" for n in (1, 2, 4, 8, 16)]


def _score(arguments: argparse.Namespace) -> None:
    # torch and escnn take seconds to import; `equimorph --help` does without.
    from equimorph.app.score import as_text, chosen_model, model_files, score

    model = arguments.model or chosen_model(arguments.study)
    files = model_files(arguments.study, model)
    result = score(
        files, arguments.folder, arguments.bootstrap, arguments.seed, arguments.pixel_scale
    )
    if arguments.output:
        write_json(arguments.output, {"study": arguments.study, "model": model, **result})
    print(as_text(model, result))


def _provenance(arguments: argparse.Namespace) -> None:
    found = trace(arguments.path)
    print(json.dumps(found, indent=2) if arguments.json else text.as_text(found))
    if found["problems"]:
        lines = [
            f"{arguments.path}: files on the way are not those that were recorded:",
            *(f"  {problem}" for problem in found["problems"]),
        ]
        raise InputError("\n".join(lines))


def _describe(arguments: argparse.Namespace) -> None:
    config = _study(arguments.preset)
    if not arguments.names:
        print("\n".join([*config["models"], *GROUPS, *PUBLISHED]))
        return
    specifications = {}
    for name in arguments.names:
        network = dict(config["network"])
        if arguments.size or not arguments.preset:
            network["input_size"] = arguments.size or published_size(name)
        specification = resolve(name, config["models"], network)
        if arguments.size:
            specification["input_size"] = arguments.size
        specifications[name] = specification
    # torch and escnn take seconds to import; wrong names are told without.
    from equimorph.app.describe import as_table, describe

    classes = len(config["data"]["classes"])
    described = {name: describe(s, classes) for name, s in specifications.items()}
    print(json.dumps(described, indent=2) if arguments.json else as_table(described))


def _study(preset: str | None) -> dict[str, Any]:
    """Return what a preset makes of config.yaml; without one, S1's trunk at full width.

    Raises:
        InputError: no such preset; the message lists those that there are.
    """
    config = read_yaml(ROOT / "config.yaml")
    if preset is None:
        trunk = {"fields": list(S1_FIELDS), "pool_after": list(S1_POOL_AFTER), "match": "fields"}
        return {**config, "network": {**config["network"], **trunk}, "models": {}}
    path = ROOT / "workflow/presets" / f"{preset}.yaml"
    known = sorted(p.stem for p in path.parent.glob("*.yaml"))
    if preset not in known:
        raise InputError(f"--preset {preset}: allowed are {', '.join(known)}.")
    return merged(config, read_yaml(path))


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="equimorph", description="E(2)-equivariant morphology.")
    top.add_argument("--version", action="version", version=f"equimorph {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    score = commands.add_parser(
        "score",
        help="score a study's model on a labelled folder of images",
        description="Score a study's model, all seeds, on a folder with images and manifest.csv.",
    )
    score.add_argument("folder", help="folder with manifest.csv (columns path, label)")
    score.add_argument("--study", default="results/demo", help="default: results/demo")
    score.add_argument("--model", help="default: the best equivariant model on validation")
    score.add_argument("--bootstrap", type=int, default=2000, help="resamples, default 2000")
    score.add_argument("--seed", type=int, default=0, help="seed of the resamples")
    score.add_argument(
        "--pixel-scale",
        type=float,
        metavar="ARCSEC",
        help="arcsec per px of the images; default: they show the field of the training images",
    )
    score.add_argument("--output", help="write the result as JSON, too")
    score.set_defaults(command=_score)
    describe = commands.add_parser(
        "describe",
        help="parameters, multiply-adds, memory and symmetry of networks",
        description="Build networks at random weights and measure them; no name lists all.",
    )
    describe.add_argument("names", nargs="*", metavar="NAME", help="a model, such as D8 or ViT")
    describe.add_argument("--preset", help="study whose sizes and models are meant")
    describe.add_argument("--size", type=int, help="side of the images in px")
    describe.add_argument("--json", action="store_true", help="as JSON instead of a table")
    describe.set_defaults(command=_describe)
    chain = commands.add_parser(
        "provenance",
        help="where a result comes from, back to the raw file",
        description="Print the jobs from the raw file to a result, and check every digest.",
    )
    chain.add_argument("path", help="a file that the workflow made, or a folder of such files")
    chain.add_argument("--json", action="store_true", help="as JSON, with everything")
    chain.set_defaults(command=_provenance)
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    run(lambda: arguments.command(arguments))


if __name__ == "__main__":
    main()

"""The equimorph command."""

import argparse
from collections.abc import Sequence

from equimorph import __version__
from equimorph.io import run, write_json


def _score(arguments: argparse.Namespace) -> None:
    # torch and escnn take seconds to import; `equimorph --help` does without.
    from equimorph.app.score import as_text, chosen_model, model_files, score

    model = arguments.model or chosen_model(arguments.study)
    files = model_files(arguments.study, model)
    result = score(files, arguments.folder, arguments.bootstrap, arguments.seed)
    if arguments.output:
        write_json(arguments.output, {"study": arguments.study, "model": model, **result})
    print(as_text(model, result))


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
    score.add_argument("--output", help="write the result as JSON, too")
    score.set_defaults(command=_score)
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    arguments = parser().parse_args(argv)
    run(lambda: arguments.command(arguments))


if __name__ == "__main__":
    main()

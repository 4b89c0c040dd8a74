"""The equimorph command."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from equimorph import __version__
from equimorph.errors import InputError
from equimorph.io import run, write_json
from equimorph.lineage import text
from equimorph.lineage.trace import trace
from equimorph.models.limits import check
from equimorph.models.trunk import S1_FIELDS, S1_POOL_AFTER
from equimorph.study.config import check_config
from equimorph.study.models import SMALLEST_SIZE, resolve
from equimorph.study.published_models import PUBLISHED, published_size
from equimorph.study.yaml_files import merged, read_yaml

# The command belongs to a checkout: the config and the presets lie beside the workflow.
ROOT = Path(__file__).resolve().parents[3]
LARGEST_SCALE = 3600  # arcsec per px, as in a config
LARGEST_SIZE = 1025  # px, as in a config
LISTED = 20  # images that could not be classified
MOST_CONNECTIONS = 256  # to the server; more are answered with 503
SOME_UNREAD = 3  # exit status where all others were
GROUPS = [f"{family}{n}" for family in "CD" for n in (1, 2, 4, 8, 16)]


def _score(arguments: argparse.Namespace) -> None:
    # torch and escnn take seconds to import; `equimorph --help` does without.
    from equimorph.app.score import as_text, chosen_model, model_files, score

    if arguments.output is not None:
        _check_output(Path(arguments.output))  # not after minutes of work
    model = chosen_model(arguments.study) if arguments.model is None else arguments.model
    files = model_files(arguments.study, model)
    result = score(
        files, arguments.folder, arguments.bootstrap, arguments.seed, arguments.pixel_scale
    )
    if arguments.output is not None:
        write_json(arguments.output, {"study": arguments.study, "model": model, **result})
    print(as_text(model, result))


def _predict(arguments: argparse.Namespace) -> None:
    if not arguments.inputs and not arguments.radec:
        raise InputError("no images: name a file, a folder, a table, a galaxy, or use --radec.")
    if arguments.output is not None:
        _check_output(Path(arguments.output))
        if Path(arguments.output).resolve() in [Path(one).resolve() for one in arguments.inputs]:
            raise InputError(f"--output {arguments.output}: this is an input; name another file.")
    # torch takes seconds to import; `equimorph --help` does without.
    import torch

    from equimorph.app.predict import UNREAD, Options, Unread, open_sources, to_screen, to_table
    from equimorph.classify.classifier import load
    from equimorph.sky.service import Service

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    classifier = load(arguments.model)
    options = Options(
        arguments.pixel_scale, arguments.top, arguments.certificate, arguments.neighbours
    )
    sky = sky_settings()
    service = Service(arguments.service or sky["service"], arguments.layer or sky["layer"])
    images = open_sources(classifier, arguments.inputs, arguments.radec, options, service)
    missed, unread = 0, list[Unread]()
    with images as sources:
        if arguments.output is not None:
            done, missed, unread = to_table(
                classifier, sources, options, arguments.output, f"{service.url} {service.layer}"
            )
            print(f"{arguments.output}: {done - missed} images")
        else:
            for found in to_screen(classifier, sources, options):
                if isinstance(found, Unread):
                    unread.append(found)
                    missed += 1
                else:
                    print(found.as_text(options.top or 3))
    if unread:
        listed = unread if arguments.output is None else unread[:LISTED]
        lines = [f"  {one.name}: {one.reason}" for one in listed]
        if missed > len(listed):
            lines.append(
                f"  and {missed - len(listed)} more; {UNREAD.format(arguments.output)} has all"
            )
        print("\n".join(["error: not classified:", *lines]), file=sys.stderr)
        sys.exit(SOME_UNREAD)


def _export(arguments: argparse.Namespace) -> None:
    _check_output(Path(arguments.output))
    from equimorph.classify.classifier import load
    from equimorph.classify.formats import save_as

    difference = save_as(load(arguments.model), arguments.output)
    print(f"{arguments.output}: logits differ by {difference:.1e} from the network's")


def _serve(arguments: argparse.Namespace) -> None:
    missing = [name for name in ("fastapi", "python_multipart", "uvicorn") if not find_spec(name)]
    if missing:
        raise InputError(
            f"serve: needs the optional packages {', '.join(missing)} "
            "(pip install equimorph[serve])."
        )
    import uvicorn

    from equimorph.app.server import Limits, create_app
    from equimorph.classify.classifier import load
    from equimorph.classify.page import page_or_reason
    from equimorph.classify.shipped import find

    classifier = load(arguments.model)
    # The study's own page has a plain network to compare with, and examples.
    place = find(arguments.model)
    study = place.parent if place.is_dir() else place
    made = study / "classify.html"
    page = made.read_text() if made.is_file() else page_or_reason(study.name, classifier)
    app = create_app(classifier, page, Limits(per_minute=arguments.rate))
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        access_log=False,
        limit_concurrency=MOST_CONNECTIONS,
    )


def sky_settings() -> dict[str, str]:
    """Return where images of the sky come from: the part `sky` of config.yaml.

    An installed package has no config.yaml, and takes what it says by default.
    """
    from equimorph.sky.service import LAYER, SERVICE

    if not (ROOT / "config.yaml").is_file():
        return {"service": SERVICE, "layer": LAYER}
    return merged_study(None)["sky"]


def _check_output(path: Path) -> None:
    """Check that a file can be written there."""
    if path.is_dir():
        raise InputError(f"--output {path}: this is a folder; allowed is a file's name.")
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise InputError(f"--output {path}: nothing can be written in {folder}.")


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
    config = merged_study(arguments.preset)
    if not arguments.names:
        print("\n".join([*config["models"], *GROUPS, *PUBLISHED]))
        return
    specifications, classes = {}, len(config["data"]["classes"])
    for name in arguments.names:
        network = dict(config["network"])
        if arguments.size or arguments.preset is None:
            network["input_size"] = arguments.size or published_size(name)
        specification = resolve(name, config["models"], network)
        if arguments.size:
            specification["input_size"] = arguments.size
        check(specification, classes)
        specifications[name] = specification
    # torch and escnn take seconds to import; what cannot be built is told without.
    from equimorph.app.describe import as_table, describe

    described = {name: describe(s, classes) for name, s in specifications.items()}
    print(json.dumps(described, indent=2) if arguments.json else as_table(described))


def merged_study(presets: str | None) -> dict[str, Any]:
    """Return what presets make of config.yaml; without one, S1's trunk at full width.

    Args:
        presets: one name, or several with blanks between them, which are merged in this order.

    Raises:
        InputError: no such preset; the message lists those that there are. Or the config is wrong.
    """
    config = read_yaml(ROOT / "config.yaml")
    folder = ROOT / "workflow/presets"
    known = sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))
    for preset in [] if presets is None else presets.split() or [""]:
        if preset not in known:
            raise InputError(
                f"--preset {preset!r}: allowed are {', '.join(known)}, also several with blanks "
                "between them."
            )
        config = merged(config, read_yaml(folder / f"{preset}.yaml"))
    check_config(config, read_yaml(ROOT / "workflow/schemas/config.schema.yaml"))
    if presets is None:
        trunk = {"fields": list(S1_FIELDS), "pool_after": list(S1_POOL_AFTER), "match": "fields"}
        return {**config, "network": {**config["network"], **trunk}, "models": {}}
    return config


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, like all others, in place of the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; `{self.prog} --help` tells more.\n")


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Return how an argument is read that is a whole number from `least` to `most`."""

    def read(text: str) -> int:
        # int alone would take "1_0" and blanks, and no more than 4,300 digits.
        if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"{text[:50]!r} is not allowed; allowed are whole numbers from {least} to {most}"
        )

    return read


def _arcsec(text: str) -> float:
    try:
        if 0 < float(text) <= LARGEST_SCALE:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text[:50]!r} is not allowed; allowed are numbers above 0, up to {LARGEST_SCALE}"
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = _Parser(prog="equimorph", description="E(2)-equivariant morphology.")
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
    score.add_argument(
        "--bootstrap", type=_whole(100, 100_000), default=2000, help="resamples, default 2000"
    )
    score.add_argument(
        "--seed", type=_whole(0, 2**63 - 1), default=0, help="seed of the resamples, default 0"
    )
    score.add_argument(
        "--pixel-scale",
        type=_arcsec,
        metavar="ARCSEC",
        help="arcsec per px of the images; default: they show the field of the training images",
    )
    score.add_argument("--output", help="write the result as JSON, too")
    score.set_defaults(command=_score)
    predict = commands.add_parser(
        "predict",
        help="classify galaxies: images, folders, HDF5 and FITS files, tables, places on the sky",
        description="Classify galaxies with a trained network. Exit status: 0 all are classified, "
        f"{SOME_UNREAD} some could not be read, 1 or 2 nothing could be done.",
    )
    predict.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="image, folder of images, HDF5 file with the key images, FITS file with g, r, z, "
        "table (.csv, .parquet) with the column path, or ra and dec, or a name such as M51",
    )
    predict.add_argument(
        "--radec",
        nargs=2,
        type=float,
        action="append",
        default=[],
        metavar=("RA", "DEC"),
        help="a position in degrees, whose image is fetched; several times for several",
    )
    predict.add_argument(
        "--model", help="name of a study, folder or checkpoint; default: the best that there is"
    )
    predict.add_argument(
        "--output", help="table to write, .csv, .json or .parquet; a run that was killed goes on"
    )
    predict.add_argument("--top", type=_whole(1, 256), help="so many classes alone, best first")
    predict.add_argument(
        "--pixel-scale",
        type=_arcsec,
        metavar="ARCSEC",
        help="arcsec per px of the images; default: they show the field of the training images. "
        "Of places on the sky: larger than 0.262 for galaxies that are too large for that field",
    )
    predict.add_argument(
        "--certificate",
        action="store_true",
        help="turn and mirror each image, too, and tell how far its probabilities change",
    )
    predict.add_argument(
        "--neighbours",
        type=_whole(0, 100),
        default=0,
        metavar="N",
        help="name so many of the most similar training images by their rows",
    )
    predict.add_argument("--layer", help="of the surveys; default: config.yaml's, ls-dr9")
    predict.add_argument("--service", metavar="URL", help="of the surveys; default: config.yaml's")
    predict.add_argument("--threads", type=_whole(1, 1024), help="CPU threads; default: torch's")
    predict.set_defaults(command=_predict)
    export = commands.add_parser(
        "export",
        help="write a network as ONNX or as a program of torch.export",
        description="Write a classifier's network for other programs, and compare it.",
    )
    export.add_argument("output", help="file to write, .onnx or .pt2")
    export.add_argument(
        "--model", help="name of a study, folder or checkpoint; default: the best that there is"
    )
    export.set_defaults(command=_export)
    serve = commands.add_parser(
        "serve",
        help="serve the page that classifies, and a JSON API",
        description="Serve the page, POST /predict, /health, /metrics and /docs.",
    )
    serve.add_argument(
        "--model", help="name of a study, folder or checkpoint; default: the best that there is"
    )
    serve.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    serve.add_argument("--port", type=_whole(0, 65535), default=8000, help="default 8000")
    serve.add_argument(
        "--rate", type=_whole(1, 10**9), default=1200, help="requests of a client per minute"
    )
    serve.set_defaults(command=_serve)
    describe = commands.add_parser(
        "describe",
        help="parameters, multiply-adds, memory and symmetry of networks",
        description="Build networks at random weights and measure them; no name lists all.",
    )
    describe.add_argument("names", nargs="*", metavar="NAME", help="a model, such as D8 or ViT")
    describe.add_argument(
        "--preset",
        help="study whose sizes and models are meant; several, with blanks between, are merged",
    )
    describe.add_argument(
        "--size", type=_whole(SMALLEST_SIZE, LARGEST_SIZE), help="side of the images in px"
    )
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may have no letter for some names
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            arguments = parser().parse_args(argv)
            run(lambda: arguments.command(arguments))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()

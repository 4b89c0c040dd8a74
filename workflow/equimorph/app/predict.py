"""Classify any number of images with a trained network, into a table or onto the screen."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from equimorph.classify.classifier import Classifier, Prediction, Ready
from equimorph.classify.images import Galaxy
from equimorph.classify.sources import Item, Sources
from equimorph.classify.table import ERROR, Row, Table
from equimorph.errors import InputError
from equimorph.progress import progress
from equimorph.simulation.exposure import NATIVE_PIXEL
from equimorph.sky.names import position
from equimorph.sky.service import AT_ONCE, Position, Service, UnreachableError

BLOCK = 128  # images in memory at a time, and as many that are read meanwhile
READS = 4 * AT_ONCE  # calls of threads that read a block
SIDE = 256  # px of a cut-out where the field of the training images is not known
MANY = 1000  # images on the screen at most
UNREAD = "{}.unread.csv"  # beside a table


@dataclass(frozen=True)
class Options:
    """What is to be told of each image.

    Attributes:
        pixel_scale: arcsec per px of the images, None where they show the training images' field.
        top: how many classes, None for the probabilities of all.
        certificate: whether each image is turned and mirrored, too.
        neighbours: how many training images to name.
    """

    pixel_scale: float | None = None
    top: int | None = None
    certificate: bool = False
    neighbours: int = 0


@dataclass(frozen=True)
class Unread:
    """An image that could not be classified, and why."""

    name: str
    reason: str


def open_sources(
    classifier: Classifier,
    inputs: Sequence[str],
    positions: Sequence[tuple[float, float]],
    options: Options,
    service: Service,
) -> Sources:
    """Return the images that are meant; none is read yet.

    Images of the sky have as many pixels as the training field has at 0.262 arcsec.

    Args:
        classifier: whose training images tell the field.
        inputs: what `Sources` takes.
        positions: ra and dec in degrees of each.
        options: their pixel scale is that of images of the sky, too: larger than 0.262 for a galaxy
            that is larger on the sky than those of the training.
        service: where images of the sky come from.

    Raises:
        InputError: an input is none.
    """
    side = SIDE if classifier.field is None else round(classifier.field / NATIVE_PIXEL)

    def fetch(place: Position) -> Galaxy:
        pixels = service.cut_out(place, side, options.pixel_scale or NATIVE_PIXEL)
        # However large it is on the sky, it shall look like the training images: all of it is used.
        return Galaxy(place.name, pixels)

    places = [position(ra, dec) for ra, dec in positions]
    return Sources(inputs, places, fetch, options.pixel_scale)


def to_table(
    classifier: Classifier, sources: Sources, options: Options, path: str | Path, sky: str = ""
) -> tuple[int, int, list[Unread]]:
    """Classify all images into a table; go on where an earlier run of the same call ended.

    Args:
        classifier: the network.
        sources: the images.
        options: what to tell of each.
        path: the table, .csv, .json or .parquet.
        sky: what images of the sky come from.

    Returns:
        How many images there are, how many of them could not be classified, and the first of those;
        a table beside the other one, `UNREAD`, has all.

    Raises:
        InputError: the table cannot be written, an earlier run's images were others, or the sky's
            service has never answered.
    """
    call = {**asdict(options), "network": classifier.identity(), "sky": sky}
    with Table(path, call) as table:
        items, done = iter(sources), 0
        for name in table.names():
            item = next(items, None)
            if item is None or item.name != name:
                raise InputError(
                    f"{table.part}: is about {name}, where now comes "
                    f"{'nothing' if item is None else item.name}; remove it, or name another table."
                )
            done += 1
        with progress(None, "predict", "images", initial=done) as bar:
            for rows in _predicted(classifier, items, options):
                table.append(_row(found, options) for found in rows)
                done += len(rows)
                bar.update(len(rows))
        missed, first = table.finish(UNREAD.format(path))
    return done, missed, [Unread(row["name"], row[ERROR]) for row in first]


def to_screen(
    classifier: Classifier, sources: Sources, options: Options
) -> Iterator[Prediction | Unread]:
    """Yield the prediction of each image, or why it could not be read.

    Raises:
        InputError: there are more images than a screen can take.
    """
    shown = 0
    for rows in _predicted(classifier, iter(sources), options):
        shown += len(rows)
        if shown > MANY:
            raise InputError(f"more than {MANY} images: name a table with --output.")
        yield from rows


def _predicted(
    classifier: Classifier, items: Iterator[Item], options: Options
) -> Iterator[list[Prediction | Unread]]:
    """Yield predictions block by block; the next block is read meanwhile."""

    def begin() -> list[Future]:
        """Have the next block read, a few images by each call."""
        block = list(islice(items, BLOCK))
        few = max(1, len(block) // READS)
        parts = [block[n : n + few] for n in range(0, len(block), few)]
        return [pool.submit(_read, classifier, part) for part in parts]

    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        block = begin()
        while block:
            following = begin()
            read = [one for few in block for one in few.result()]
            yield _predict_block(classifier, read, options)
            block = following
    finally:
        # Whoever ends the run does not wait for what has not begun.
        pool.shutdown(cancel_futures=True)


def _read(classifier: Classifier, items: Sequence[Item]) -> list[Galaxy | Ready | Unread]:
    found: list[Galaxy | Ready | Unread] = []
    for item in items:
        try:
            found.append(classifier.ready(replace(item.read(), name=item.name)))
        except UnreachableError:
            raise
        except InputError as error:
            found.append(Unread(item.name, str(error)))
    return found


def _predict_block(
    classifier: Classifier, found: Sequence[Galaxy | Ready | Unread], options: Options
) -> list[Prediction | Unread]:
    galaxies = [one for one in found if isinstance(one, Galaxy | Ready)]
    predictions = iter(_predict_all(classifier, galaxies, options))
    return [next(predictions) if isinstance(one, Galaxy | Ready) else one for one in found]


def _predict_all(
    classifier: Classifier, galaxies: list[Galaxy | Ready], options: Options
) -> list[Prediction | Unread]:
    """Classify images; where one does not suit the network, the others one by one."""
    try:
        found = classifier.predict_galaxies(galaxies, options.certificate, options.neighbours)
        return list(found)
    except InputError as error:
        if len(galaxies) == 1:
            return [Unread(galaxies[0].name, str(error))]
        return [one for galaxy in galaxies for one in _predict_all(classifier, [galaxy], options)]


def _row(found: Prediction | Unread, options: Options) -> Row:
    """Return an image's row of the table."""
    if isinstance(found, Unread):
        return {"name": found.name, ERROR: found.reason}
    row: Row = {"name": found.name, "label": found.label}
    row["probability"] = found.probabilities[found.label]
    if options.top is None:
        row |= found.probabilities
    else:
        for place, (label, probability) in enumerate(found.top(options.top), start=1):
            row |= {f"label_{place}": label, f"probability_{place}": probability}
    row |= {"outlier_score": found.outlier_score, "warning": found.warning}
    if found.certificate is not None:
        row |= {
            "largest_change": found.certificate.largest_change,
            "at_quarter_turns": found.certificate.at_quarter_turns,
            "mirrored": found.certificate.mirrored,
        }
    if options.neighbours:
        row["neighbours"] = " ".join(str(one.index) for one in found.neighbours)
    return row

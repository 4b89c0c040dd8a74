"""The manifest of a folder of images: one reader, for the plan's digest and for the import."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from equimorph.data.classes import check_n_classes
from equimorph.data.positions import check_position, check_positions
from equimorph.errors import InputError
from equimorph.provenance import digest

MANIFEST = "manifest.csv"
LISTED_PROBLEMS = 20
MAX_FILE_BYTES = 2**29  # of an image, and of the manifest

# What columns are called, by the letters and digits of their names in lower case.
_EPOCH, _DEGREES = "(?:j?2000|icrs|fk5)?", "(?:deg|degree|degrees)?"
SPELLINGS = {
    "path": "path|(?:image|rel|relative)?file(?:name|path)?|image(?:name|path)?|relpath",
    "label": "labels?|(?:class|label)(?:id|index|number)",
    "class_name": "class|(?:class|label)names?",
    "ra": f"(?:ra|rightascension){_EPOCH}{_DEGREES}{_EPOCH}",
    "dec": f"(?:dec?|decl|declination){_EPOCH}{_DEGREES}{_EPOCH}",
    "sha256": "sha256(?:sum)?",
}
OTHER_UNITS = "(?:ra|dec?|decl)(?:j?2000)?(?:h|hrs?|hours?|hms|dms|sexagesimal|rad|radians?)"


@dataclass(frozen=True)
class ManifestRow:
    """One image of a manifest.

    Attributes:
        line: line of the manifest, the header being line 1.
        path: path as the manifest has it.
        file: the file itself, links resolved.
        label: class, 0 … number of classes - 1.
        ra: right ascension in degrees, NaN where unknown.
        dec: declination in degrees, NaN where unknown.
        sha256: the file's digest in lower case, empty where not given.
    """

    line: int
    path: str
    file: Path
    label: int
    ra: float
    dec: float
    sha256: str


@dataclass(frozen=True)
class Problem:
    """Why one row cannot be used."""

    line: int
    path: str
    what: str


@dataclass(frozen=True)
class Manifest:
    """A manifest as it was read.

    Attributes:
        path: path of the manifest itself.
        rows: the images that can be used, in order.
        problems: why the other rows cannot be used.
        notes: sentences on what was ignored.
    """

    path: Path
    rows: list[ManifestRow]
    problems: list[Problem]
    notes: list[str]

    def check(self, more: Sequence[Problem] = ()) -> None:
        """Raise one InputError that lists these problems and `more`, if there are any."""
        problems = sorted([*self.problems, *more], key=lambda problem: problem.line)
        if not problems:
            return
        lines = [f"  row {problem.line} ({problem.path}): {problem.what}" for problem in problems]
        if len(lines) > LISTED_PROBLEMS:
            lines[LISTED_PROBLEMS:] = [f"  and {len(lines) - LISTED_PROBLEMS} more"]
        head = f"{self.path}: these rows cannot be used (the header is row 1):"
        raise InputError("\n".join([head, *lines]))


def read_manifest(folder: str | Path, classes: Sequence[str]) -> Manifest:
    """Read `manifest.csv` of a folder, without opening any image.

    Its columns are path; label, class_name or both; where known, ra and dec in degrees; and sha256.
    Case and spelling do not matter (RA, RAJ2000, ra_deg, Filename, Class, …), and others are left
    out of account with a note. Only regular files inside the folder are ever looked at.

    Args:
        folder: folder of the images and the manifest.
        classes: the classes' names in the order of the labels.

    Returns:
        Its rows, what is wrong with single ones (see `Manifest.check`), and notes.

    Raises:
        InputError: the manifest as a whole cannot be used.
    """
    check_n_classes(len(classes))
    path = Path(folder, MANIFEST)
    root = path.parent.resolve()
    header, table = _read_table(path)
    columns, notes = _columns(path, header)
    rows: list[ManifestRow] = []
    problems = []
    seen: dict[Path, int] = {}
    for line, values in table:
        cells = dict.fromkeys(SPELLINGS, "")
        cells |= {key: values[place] for key, place in columns.items() if place < len(values)}
        try:
            if len(values) > len(header):
                raise InputError("has more cells than the header")
            row = _parse_row(root, line, cells, classes)
            first = seen.setdefault(row.file, line)
            if first != line:
                raise InputError(f"the same image as in row {first}")
            rows.append(row)
        except InputError as error:
            problems.append(Problem(line, cells["path"], str(error)))
    if not rows and not problems:
        raise InputError(f"{path}: there are no rows below the header.")
    try:
        named = "ra" in columns and re.search("deg(ree)?s?$", letters(header[columns["ra"]]))
        numbers = ([row.ra for row in rows], [row.dec for row in rows], [row.label for row in rows])
        check_positions(*numbers, in_degrees=bool(named))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return Manifest(path, rows, problems, notes)


def folder_digest(folder: str | Path, classes: Sequence[str]) -> str:
    """Return the SHA-256 of all that an import takes from a folder, wherever it lies.

    Raises:
        InputError: the manifest cannot be used, and no image has been read; or one cannot be.
    """
    manifest = read_manifest(folder, classes)
    manifest.check()
    values = [(row.label, row.ra, row.dec, row.sha256) for row in manifest.rows]
    try:
        return digest(values, [row.file for row in manifest.rows])
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error


def _read_table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and the line and the cells of each row, without blanks around them."""
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such file; needed is a table with the columns path and label."
        )
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise InputError(f"{path}: has {size} bytes; allowed are at most {MAX_FILE_BYTES}.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            rows = [
                (reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error}).") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    return (rows[0][1], rows[1:]) if rows else ([], [])


def _columns(path: Path, header: list[str]) -> tuple[dict[str, int], list[str]]:
    """Return where each known column stands, and notes on the others."""
    columns: dict[str, int] = {}
    for key, spelling in SPELLINGS.items():
        found = [name for name in header if re.fullmatch(spelling, letters(name))]
        chosen = [name for name in found if name == key] or found
        if len(chosen) > 1:
            raise InputError(
                f"{path}: the columns {chosen} mean the same, {key}; name one of them {key}, or "
                "leave the others out."
            )
        if chosen:
            columns[key] = header.index(chosen[0])
    missing = [] if "path" in columns else ["path"]
    if not {"label", "class_name"} & columns.keys():
        missing.append("label")
    if missing:
        raise InputError(f"{path}: the columns {missing} are missing; found are {header}.")
    used = columns.values()
    others = [name for place, name in enumerate(header) if name and place not in used]
    for name in others:
        if not {"ra", "dec"} & columns.keys() and re.fullmatch(OTHER_UNITS, letters(name)):
            raise InputError(
                f"{path}: the column {name} is in other units; needed are degrees, in the columns "
                "ra and dec, or no positions."
            )
    if len({"ra", "dec"} & columns.keys()) == 1:
        raise InputError(f"{path}: only one of the columns ra and dec is there; give both or none.")
    if not others:
        return columns, []
    known = ", ".join(SPELLINGS)
    return columns, [f"{path}: not used: {', '.join(others)}; the known columns are {known}."]


def letters(name: str) -> str:
    """Return the letters and digits of a name, in lower case."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _parse_row(
    root: Path, line: int, cells: Mapping[str, str], classes: Sequence[str]
) -> ManifestRow:
    file = _locate(root, cells["path"])
    label = _label(cells["label"], cells["class_name"], classes)
    ra, dec = check_position(cells["ra"], cells["dec"])
    return ManifestRow(line, cells["path"], file, label, ra, dec, cells["sha256"].lower())


def _locate(root: Path, path: str) -> Path:
    """Return the regular file that a path names, links resolved; it lies inside `root`."""
    if not path:
        raise InputError("the path is empty")
    try:
        file = (root / path).resolve()
        # Absolute paths, `..` and symbolic links may all lead out.
        if not file.is_relative_to(root):
            raise InputError("leads out of the folder; allowed are paths within it")
        if not file.is_file():
            raise InputError("there is no such file")
        size = file.stat().st_size
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a zero byte
        raise InputError(f"not a usable path ({error})") from error
    if size > MAX_FILE_BYTES:
        raise InputError(f"has {size} bytes; allowed are at most {MAX_FILE_BYTES}")
    return file


def _label(label: str, class_name: str, classes: Sequence[str]) -> int:
    """Return a row's class by its number, its name or both, which must agree."""
    named = _class_number(class_name, classes) if class_name else None
    if named is not None and not label:
        return named
    number = _number(label, classes)
    if number is None:
        raise InputError(f"label '{label}'; allowed are the integers 0 to {len(classes) - 1}")
    if named not in (None, number):
        raise InputError(
            f"label {number} is {classes[number]}, the class is given as '{class_name}'; correct "
            "one of the two, or the order of the classes"
        )
    return number


def _class_number(name: str, classes: Sequence[str]) -> int:
    alike = [number for number, other in enumerate(classes) if letters(other) == letters(name)]
    if name in classes:
        return list(classes).index(name)
    if len(alike) == 1:
        return alike[0]
    number = _number(name, classes)
    if number is None:
        raise InputError(
            f"class '{name}'; allowed are {', '.join(classes)}; a column that means something else "
            "needs another name"
        )
    return number


def _number(text: str, classes: Sequence[str]) -> int | None:
    # int alone would take "+1", "1_0" and other scripts' digits.
    fits = re.fullmatch("[0-9]{1,3}", text) and int(text) < len(classes)
    return int(text) if fits else None

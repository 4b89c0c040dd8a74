"""Files that are whole or absent: atomic writes, digests, and how a script ends."""

import errno
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from equimorph.errors import InputError, TrainingError

INTERRUPTED = 128 + signal.SIGINT  # a shell's exit status for a command that Ctrl-C ended
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place if the block succeeds.

    What killed processes have left of the same file is removed first, so no two may write it at
    once. A full disk is reported as such, whatever the library that writes makes of it.

    Raises:
        InputError: there is no space, and the message names the file, the reason and the free
            space; or the path is a folder's or a device's, which nothing may replace.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no file; allowed is a name for one, or a file to replace.")
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except Exception as error:
        free = shutil.disk_usage(path.parent).free
        if reason := _no_space(error, free):
            raise InputError(f"{path}: {reason} ({free} bytes free).") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _no_space(error: Exception, free: int) -> str | None:
    """Return why there is no space to write, None if that is not what the error says."""
    number = error.errno if isinstance(error, OSError) else None
    if match := re.search(r"\(os error (\d+)\)", str(error)):  # safetensors' own exception
        number = int(match[1])
    # h5py and torch give no number.
    if number == errno.ENOSPC or (free < 2**20 and isinstance(error, (OSError, RuntimeError))):
        return "the disk is full"
    return "a quota or a limit on the size of files is reached" if number in NO_SPACE else None


def remove_leftovers(path: str | Path) -> None:
    """Remove what killed processes left of `atomic_path(path)`; none may be writing it now."""
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any, compact: bool = False) -> None:
    """Write `value` as JSON, atomically; NaN and infinities are refused.

    Indented, or compact, which takes less than half the bytes for long tables of numbers.
    """
    style: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
    write_text(path, json.dumps(value, allow_nan=False, **style) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not a JSON file ({error}).") from error


def read_paths(path: str | Path) -> list[Path]:
    """Read a file that lists paths, one a line; a command's arguments would be too long for all."""
    text = Path(path).read_text(encoding="utf-8")
    return [Path(line) for line in text.split("\n") if line]


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_file(source: str | Path, target: str | Path, sha256: str) -> None:
    """Copy a file, atomically, if it is the one that is expected.

    Args:
        source: file to copy.
        target: file to write.
        sha256: digest that the copy must have, hexadecimal in either case.

    Raises:
        InputError: the digest is another one, or there is no space.
    """
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
        if (found := sha256_of(temporary)) != sha256.lower():
            raise InputError(f"{source}: the sha256 is {found}, it must be {sha256.lower()}.")


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`; turn the errors meant for the user into one sentence and exit 1.

    Ctrl-C, too, ends the script with one line, and with the exit status that shells give.
    """
    try:
        main()
    except (InputError, TrainingError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:
        print(f"error: memory is not enough ({error}).", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("error: interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)

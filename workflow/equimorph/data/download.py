"""Download of one large file: mirrors, resume, digest."""

import errno
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from equimorph.errors import InputError
from equimorph.io import sha256_of
from equimorph.progress import progress

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
BLOCK_BYTES = 2**16
# A mirror that sends less than this, in bytes per second over so many seconds, gives way to the
# next one: at this rate Galaxy10's 2.5 GB would take a month.
LEAST_RATE = 1000
RATE_SECONDS = 60.0
SHORTEST_DIGEST = 8  # hexadecimal digits; as many as torchvision's file names carry
# No file that is fetched here has more: Galaxy10 has 2.5 GB.
LARGEST_BYTES = 2**35
# Answers that a later attempt may not get again; 5xx are added to these.
TRANSIENT_STATUS = (408, 425, 429)


@dataclass(frozen=True)
class FileFormat:
    """How a file of the wanted kind begins, to tell it from an error page at the first bytes.

    Attributes:
        name: what messages call the format.
        signatures: the file begins with one of these.
    """

    name: str
    signatures: tuple[bytes, ...]


HDF5 = FileFormat("HDF5", (HDF5_SIGNATURE,))


class _MirrorError(Exception):
    """This mirror does not serve the file: the next one may."""


class _AttemptError(Exception):
    """This attempt failed; the same mirror may go on."""


def download(
    mirrors: Sequence[str],
    destination: str | Path,
    sha256: str,
    size: int | None = None,
    *,
    file_format: FileFormat = HDF5,
    retries: int = 5,
    backoff: float = 1.0,
    timeout: tuple[float, float] = (10.0, 60.0),
) -> None:
    """Fetch a file; nothing is done if it is there already.

    What has come so far is kept in `<destination>.part`, and the next attempt, mirror or run goes
    on from there. The file gets its name only when its digest holds.

    Args:
        mirrors: URLs of the same file, tried in this order.
        destination: path of the file.
        sha256: hexadecimal digest of the file, in either case, or its first digits (at least 8).
        size: bytes of the file. None takes the length that the server gives, up to LARGEST_BYTES
            and the free disk; where it gives none, the file may fill half of the free disk.
        file_format: what the file must begin with.
        retries: further attempts per mirror after a broken connection or a server's hiccup.
        backoff: seconds before the first retry, doubled for each further one.
        timeout: seconds to wait for a connection and for the next bytes.

    Raises:
        InputError: `sha256` is no digest, the disk is too small, or no mirror gave the file. The
            message says what went wrong with each mirror and how to put the file in place by hand.
    """
    destination = Path(destination)
    if not destination.name or destination.is_dir():
        raise InputError(f"{destination}: is a folder; needed is the name of a file.")
    part = destination.with_name(f"{destination.name}.part")
    sha256 = sha256.lower()
    if not re.fullmatch(f"[0-9a-f]{{{SHORTEST_DIGEST},64}}", sha256):
        raise InputError(
            f"sha256 {sha256!r} of {destination}: allowed are a digest of 64 hexadecimal digits or "
            f"its first {SHORTEST_DIGEST} or more."
        )
    if destination.is_file() and has_digest(destination, sha256):
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    if part.is_file():
        if has_digest(part, sha256):  # complete: only the last step was missing
            os.replace(part, destination)
            return
        if size is not None and _held(part) >= size:
            part.unlink()
    if size is not None and (reason := _no_room(part, size)):
        raise InputError(f"{part.parent}: {reason}.")
    failures = []
    for url in mirrors:
        try:
            _download_from(url, part, sha256, size, file_format, retries, backoff, timeout)
        except _MirrorError as error:
            failures.append(f"  {url}: {error}")
        else:
            os.replace(part, destination)
            return
    words = "be" if len(sha256) == 64 else "begin with"
    raise InputError(
        "\n".join(
            [
                f"{destination}: no mirror gave the file.",
                *failures,
                f"Download it by hand, for instance from {mirrors[0]}, and put it there;",
                f"the next run checks it. Its sha256 must {words} {sha256}",
            ]
        )
    )


def has_digest(path: str | Path, sha256: str) -> bool:
    """Say whether the file's SHA-256 is `sha256` or begins with it (hexadecimal, lower case)."""
    return sha256_of(path).startswith(sha256)


def _download_from(
    url: str,
    part: Path,
    sha256: str,
    size: int | None,
    file_format: FileFormat,
    retries: int,
    backoff: float,
    timeout: tuple[float, float],
) -> None:
    """Complete `part` from one mirror, so that its digest holds."""
    inherited = part.exists()  # bytes of another mirror or run may be the wrong ones
    reason = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(backoff * 2 ** (attempt - 1))
        try:
            _fetch(url, part, size, file_format, timeout)
        except _AttemptError as error:
            reason = str(error)
            continue
        digest = sha256_of(part)
        if digest.startswith(sha256):
            return
        part.unlink()
        reason = f"what came has the sha256 {digest}"
        if not inherited:
            raise _MirrorError(reason)
        inherited = False
    raise _MirrorError(f"{reason} (after {retries + 1} attempts)")


def _fetch(
    url: str,
    part: Path,
    size: int | None,
    file_format: FileFormat,
    timeout: tuple[float, float],
) -> None:
    """Ask once for the bytes that `part` lacks and append what comes."""
    held = _held(part)
    headers = {"Accept-Encoding": "identity"}  # lengths and ranges count the file's own bytes
    if held:
        headers["Range"] = f"bytes={held}-"
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=timeout)
    except (requests.TooManyRedirects, ValueError, HTTPError) as error:  # LocationParseError too
        raise _MirrorError(f"not a usable URL, or leads to none ({error})") from error
    except requests.RequestException as error:
        raise _AttemptError(f"no answer ({type(error).__name__})") from error
    with response:
        start, total = _read_headers(response, part, held)
        if None not in (size, total) and total != size:
            raise _MirrorError(f"serves {total} bytes, the file has {size}")
        total = size if total is None else total
        if total is not None and (reason := _no_room(part, total)):
            raise _MirrorError(reason)
        most = _most_unannounced(part) if total is None else total
        try:
            _append(response, part, start, total, most, file_format)
        except HTTPError as error:
            raise _AttemptError(f"the connection broke at byte {_held(part)}") from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise InputError(f"{part}: the disk is full; free some space, then go on.") from error
    if total is not None and _held(part) < total:
        raise _AttemptError(f"the connection ended at byte {_held(part)} of {total}")


def _read_headers(response: requests.Response, part: Path, held: int) -> tuple[int, int | None]:
    """Return the byte at which the answer's body starts and the length of the whole file."""
    status = response.status_code
    if status == 416:
        part.unlink(missing_ok=True)
        raise _AttemptError(f"has no bytes from {held} on: the partial file was not of this file")
    if status in TRANSIENT_STATUS or status >= 500:
        raise _AttemptError(f"HTTP status {status} {response.reason}")
    if status not in (200, 206):
        raise _MirrorError(f"HTTP status {status} {response.reason}")
    content_type = response.headers.get("Content-Type", "")
    if content_type.startswith("text/html"):
        raise _MirrorError("answers with a web page (text/html) instead of the file")
    if status == 200:  # the whole file, even where a range was asked for
        return 0, _number(response.headers.get("Content-Length", ""))
    content_range = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range.strip())
    if not match or _number(match[1]) != held:
        part.unlink(missing_ok=True)  # so that the next attempt asks for the whole file
        raise _AttemptError(f"asked for bytes from {held} on, got Content-Range '{content_range}'")
    return held, _number(match[2])


def _number(text: str) -> int | None:
    """Return a length that a server names; None where it names none, or one of absurd length."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def _append(
    response: requests.Response,
    part: Path,
    start: int,
    total: int | None,
    most: int,
    file_format: FileFormat,
) -> None:
    """Write the body to `part` from byte `start`, which is 0 or the end of `part`, up to `most`."""
    blocks = _blocks(response)
    first = _beginning(blocks, max(map(len, file_format.signatures)))
    # Before the partial file is touched: a web page must not cost what has come so far.
    beginnings = tuple(mark[: max(len(first), 1)] for mark in file_format.signatures)
    if start == 0 and not first.startswith(beginnings):
        raise _MirrorError(
            f"answers with something that is not {file_format.name} (it begins with {first[:16]!r})"
        )
    position = start
    with (
        open(part, "ab" if start else "wb") as file,
        progress(total, part.stem, "B", initial=start) as bar,
    ):
        for block in itertools.chain([first], blocks):
            position += len(block)
            if position > most:
                if total is None:  # nobody knows what this is, and it must not fill the disk
                    part.unlink()
                raise _MirrorError(f"sends more than {most} bytes, which are allowed")
            file.write(block)
            bar.update(len(block))


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it comes, at most BLOCK_BYTES at once.

    Raises:
        _MirrorError: less than LEAST_RATE came for RATE_SECONDS.
    """
    start, come = time.monotonic(), 0
    # Not `iter_content`, which waits until a block is full, however slowly the bytes come.
    while block := response.raw.read1(BLOCK_BYTES, decode_content=True):
        yield block
        come += len(block)
        seconds = time.monotonic() - start
        if seconds >= RATE_SECONDS:
            if come < LEAST_RATE * seconds:
                raise _MirrorError(
                    f"sent {come} bytes in {seconds:.0f} s; {LEAST_RATE} per second are needed"
                )
            start, come = time.monotonic(), 0


def _beginning(blocks: Iterator[bytes], count: int) -> bytes:
    """Return at least the first `count` bytes, fewer where the body ends before."""
    first = b""
    while len(first) < count and (block := next(blocks, b"")):
        first += block
    return first


def _held(part: Path) -> int:
    """Return how many bytes have come so far."""
    return part.stat().st_size if part.exists() else 0


def _no_room(part: Path, total: int) -> str | None:
    """Return why a file of `total` bytes is too large, None where it is not."""
    missing, free = total - _held(part), shutil.disk_usage(part.parent).free
    if total > LARGEST_BYTES:
        return f"would have {total} bytes; allowed are at most {LARGEST_BYTES}, and {free} are free"
    if missing > free:
        return f"{missing} more bytes are needed for {part.stem}, {free} are free"
    return None


def _most_unannounced(part: Path) -> int:
    """Return how many bytes a file may have whose length nobody has said: half of the free disk."""
    return min(LARGEST_BYTES, _held(part) + shutil.disk_usage(part.parent).free // 2)

"""Published weights, fetched by name once and checked before each use."""

import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import torch
from filelock import FileLock

from equimorph.data.download import FileFormat, download, has_digest
from equimorph.errors import InputError
from equimorph.steerable.cache_folder import FOLDER_VARIABLE, cache_folder

# First bytes of a zip archive, and of torch's format before 1.6, in which torchvision has files.
TORCH_FILE = FileFormat("a file of torch weights", (b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9"))
RETRIES = 2  # a machine without a network should say so within seconds


def digest_in_name(url: str) -> str:
    """Return the first digits of a file's SHA-256, which its name carries: NAME-f37072fd.pth.

    Raises:
        InputError: the name carries none.
    """
    name = _file_name(url)
    match = re.fullmatch(r".+-([0-9a-f]{8,64})\.\w+", name)
    if not match:
        raise InputError(
            f"{url}: the file's name must end in the first 8 or more hexadecimal digits of its "
            "sha256, as in resnet18-f37072fd.pth."
        )
    return match[1]


def fetch_weights(url: str) -> Path:
    """Return the file of published weights in the cache, downloaded if it is not there.

    A cache filled by hand needs no network and may be read-only.

    Args:
        url: address of the file; its name carries the first digits of its SHA-256.

    Raises:
        InputError: the file is not in the cache and could not be had; the message names the URL,
            the place and the digest.
    """
    if "EQUIMORPH_WEIGHTS" in os.environ:
        raise InputError(
            "EQUIMORPH_WEIGHTS is not read any more; unset it, and where the weights shall not lie "
            f"in {cache_folder('weights')}, name the folder above them in {FOLDER_VARIABLE}."
        )
    digest = digest_in_name(url)
    path = cache_folder("weights") / _file_name(url)
    if not (path.is_file() and has_digest(path, digest)):
        # Jobs that train with the same weights start together.
        with _one_at_a_time(path):
            download([url], path, digest, file_format=TORCH_FILE, retries=RETRIES)
    return path


def load_weights(url: str) -> dict[str, torch.Tensor]:
    """Return the published weights behind `url`, from the cache or the network.

    Nothing in the file is executed.

    Raises:
        InputError: the file cannot be fetched, or is no mapping from names to tensors.
    """
    path = fetch_weights(url)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{path}: not readable as plain torch weights ({error}).") from error
    if not (isinstance(weights, dict) and all(map(torch.is_tensor, weights.values()))):
        raise InputError(f"{path}: expected a mapping from names to tensors.")
    return dict(weights)


def _file_name(url: str) -> str:
    return Path(urlsplit(url).path).name


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Let one process at a time fetch `path`; the lock falls when its holder ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path.with_name(f".{path.name}.lock")).acquire()
    except OSError as error:
        raise InputError(
            f"{path}: not there, and the folder cannot be written to ({error.strerror}); put the "
            f"file there or name another folder in ${FOLDER_VARIABLE}."
        ) from error
    with held:
        yield

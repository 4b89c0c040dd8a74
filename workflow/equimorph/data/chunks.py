"""Checks of an HDF5 array's storage before HDF5, which trusts what the file says, unpacks it."""

import math
import zlib

import h5py

from equimorph.errors import InputError

# gzip, shuffle, fletcher32: others are decoded into as much memory as the file asks for.
_ALLOWED = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
MAX_CHUNK_BYTES = 2**28  # a chunk is unpacked in one piece, in memory
CHECKSUM_BYTES = 4


def check_storage(array: h5py.Dataset) -> None:
    """Check, without reading values, that all chunks are there and packed by allowed filters.

    Raises:
        InputError: large chunks, other filters, or values that were never written, in whose place
            HDF5 may return whatever the memory held.
    """
    if array.chunks is None:
        if array.size and not array.id.get_storage_size():
            raise InputError("the values were never written.")
        return
    if math.prod(array.chunks) * array.dtype.itemsize > MAX_CHUNK_BYTES:
        raise InputError(
            f"the chunks have the shape {array.chunks}; allowed are chunks of at most "
            f"{MAX_CHUNK_BYTES // 2**20} MiB."
        )
    if others := [name for code, name in _filters(array) if code not in _ALLOWED]:
        raise InputError(
            f"packed with {others[0]}; allowed are gzip, shuffle and fletcher32, as `h5repack -f "
            "GZIP=4` makes them."
        )
    lengths = zip(array.shape, array.chunks, strict=True)
    needed = math.prod(math.ceil(length / chunk) for length, chunk in lengths)
    written = array.id.get_num_chunks()
    if written < needed:
        raise InputError(f"{needed - written} of {needed} chunks were never written.")


def check_unpacking(array: h5py.Dataset) -> None:
    """Unpack each chunk and check that its length is that of its shape; memory stays bounded.

    HDF5 itself unpacks until the packed data end, even at a thousand times the chunk's length.

    Raises:
        InputError: a chunk cannot be unpacked, or holds more or less than its shape.
    """
    if array.chunks is None or not (filters := [code for code, _ in _filters(array)]):
        return
    expected = math.prod(array.chunks) * array.dtype.itemsize
    file_bytes = array.file.id.get_filesize()
    chunks: list[h5py.h5d.StoreInfo] = []
    array.id.chunk_iter(chunks.append)
    for chunk in chunks:
        place = tuple(map(int, chunk.chunk_offset))
        if chunk.size > file_bytes:
            raise InputError(f"the chunk at {place} claims {chunk.size} bytes, more than the file.")
        mask, content = array.id.read_direct_chunk(chunk.chunk_offset)
        try:
            length = _unpacked_length(content, mask, filters, expected)
        except zlib.error as error:
            raise InputError(f"the chunk at {place} cannot be unpacked ({error}).") from error
        if length != expected:
            what = "more" if length > expected else "less"
            raise InputError(
                f"the chunk at {place} unpacks to {what} than the {expected} bytes of its shape."
            )


def _filters(array: h5py.Dataset) -> list[tuple[int, str]]:
    """Return code and name of the filters, in the order of packing."""
    plist = array.id.get_create_plist()
    found = [plist.get_filter(number) for number in range(plist.get_nfilters())]
    return [(code, name.decode(errors="replace") or str(code)) for code, _, _, name in found]


def _unpacked_length(content: bytes, mask: int, filters: list[int], expected: int) -> int:
    """Return the length of a chunk's content, or some length above `expected` if it is longer."""
    limit = expected + expected // 1000 + 1024  # what is packed twice may grow a little in between
    for number in reversed(range(len(filters))):
        if mask >> number & 1:
            continue
        if filters[number] == h5py.h5z.FILTER_FLETCHER32:
            content = content[:-CHECKSUM_BYTES]
        elif filters[number] == h5py.h5z.FILTER_DEFLATE:
            stream = zlib.decompressobj()
            content = stream.decompress(content, limit + 1)
            if len(content) <= limit and not stream.eof:
                raise zlib.error("it ends early")
    return len(content)

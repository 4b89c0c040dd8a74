"""Tests of the download against a real HTTP server on this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from equimorph.data import download as download_module
from equimorph.data.download import BLOCK_BYTES, FileFormat, download
from equimorph.errors import InputError
from tests.conftest import ROOT
from tests.servers import CONTENT, Server, closed_port_url, serve

SHA256 = hashlib.sha256(CONTENT).hexdigest()
SCRIPT = ROOT / "workflow/scripts/data/download.py"


def fetch(
    *servers: Server, to: Path, size: int | None = None, urls: tuple[str, ...] = (), **options
):
    """Download from servers after `urls`, without waiting between attempts."""
    mirrors = [*urls, *(server.url for server in servers)]
    with serve(*servers):
        download(mirrors, to, SHA256, size, **({"backoff": 0.0, "timeout": (5, 5)} | options))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "raw" / "file.h5"


@pytest.fixture
def part(target) -> Path:
    target.parent.mkdir()
    return target.with_name("file.h5.part")


def assert_complete(target: Path):
    assert target.read_bytes() == CONTENT
    assert os.listdir(target.parent) == [target.name]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_downloads_into_a_new_folder(target, size):
    server = Server()
    fetch(server, to=target, size=size)
    assert_complete(target)
    assert server.ranges == [None]


def test_digest_in_capitals(target):
    server = Server()
    with serve(server):
        download([server.url], target, SHA256.upper())
    assert_complete(target)


def test_present_file_is_left_alone(target, part):
    target.write_bytes(CONTENT)
    before = target.stat().st_mtime_ns
    server = Server()
    fetch(server, to=target)
    assert server.ranges == []
    assert target.stat().st_mtime_ns == before


def test_wrong_present_file_is_replaced(target, part):
    target.write_bytes(b"older")
    fetch(Server(), to=target)
    assert_complete(target)


def test_resumes_from_the_part(target, part):
    part.write_bytes(CONTENT[:1000])
    server = Server()
    fetch(server, to=target)
    assert_complete(target)
    assert server.ranges == ["bytes=1000-"]


def test_server_without_ranges_starts_afresh(target, part):
    part.write_bytes(CONTENT[:1000])
    server = Server(resumes=False)
    fetch(server, to=target)
    assert_complete(target)
    assert server.ranges == ["bytes=1000-"]


def test_wrong_content_range_is_not_appended(target, part):
    part.write_bytes(CONTENT[:1000])
    server = Server(shift=10)
    fetch(server, to=target)
    assert_complete(target)
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("sends_length", [True, False])
def test_drops_continue_where_they_ended(target, sends_length):
    server = Server(drops=(BLOCK_BYTES + 5, 2 * BLOCK_BYTES), sends_length=sends_length)
    fetch(server, to=target, size=len(CONTENT))
    assert_complete(target)
    assert server.ranges == [None, f"bytes={BLOCK_BYTES + 5}-", f"bytes={3 * BLOCK_BYTES + 5}-"]


def test_retries_are_bounded_and_the_part_is_kept(target):
    server = Server(drops=(BLOCK_BYTES + 5,) * 10)
    held = 3 * (BLOCK_BYTES + 5)
    with pytest.raises(InputError, match=f"byte {held} .*3 attempts"):
        fetch(server, to=target, retries=2)
    assert len(server.ranges) == 3
    assert target.with_name("file.h5.part").read_bytes() == CONTENT[:held]
    assert not target.exists()


def test_next_mirror_continues_the_part(target):
    first, second = Server(drops=(BLOCK_BYTES,) * 10), Server()
    fetch(first, second, to=target, retries=1)
    assert_complete(target)
    assert second.ranges == [f"bytes={2 * BLOCK_BYTES}-"]


def test_backoff_doubles(target):
    server = Server(statuses=(503, 503))
    start = time.monotonic()
    fetch(server, to=target, backoff=0.1)
    assert 0.3 <= time.monotonic() - start < 2
    assert_complete(target)


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b"<html>Sign in</html>", "text/html; charset=utf-8", "web page"),
        (b"<!DOCTYPE html><html>Sign in</html>", "application/octet-stream", "not HDF5"),
        (b"PK\x03\x04" + CONTENT, "application/octet-stream", "not HDF5"),
        (b"", "application/octet-stream", "not HDF5"),
    ],
)
def test_other_content_is_rejected(target, part, content, content_type, reason):
    part.write_bytes(CONTENT[:1000])
    bad = Server(content, content_type=content_type, resumes=False)
    with pytest.raises(InputError, match=reason):
        fetch(bad, to=target)
    # Neither retried nor allowed to spoil what had come before.
    assert len(bad.ranges) == 1
    assert part.read_bytes() == CONTENT[:1000]
    bad, good = Server(content, content_type=content_type, resumes=False), Server()
    fetch(bad, good, to=target)
    assert_complete(target)
    assert good.ranges == ["bytes=1000-"]


@pytest.mark.parametrize("signature", [b"PK\x03\x04", b"\x80\x02\x8a\n"])
def test_other_formats_are_fetched_when_asked_for(target, signature):
    archive = FileFormat("an archive", (b"PK\x03\x04", b"\x80\x02\x8a\n"))
    content = signature + CONTENT
    server = Server(content)
    with serve(server):
        download([server.url], target, hashlib.sha256(content).hexdigest(), file_format=archive)
    assert target.read_bytes() == content
    with pytest.raises(InputError, match="not an archive"):
        fetch(Server(), to=target, file_format=archive)


def test_first_digits_of_the_digest_are_enough(target):
    good, bad = Server(), Server(flipped(CONTENT))
    with serve(good, bad):
        download([bad.url, good.url], target, SHA256[:8])
        download([bad.url], target, SHA256[:8])  # there already
        assert_complete(target)
        with pytest.raises(InputError, match=f"must begin with {SHA256[:12]}$"):
            download([bad.url], target.with_name("b.h5"), SHA256[:12])
    assert (len(good.ranges), len(bad.ranges)) == (1, 2)


@pytest.mark.parametrize("digest", ["", SHA256[:7], SHA256 + "0", "not hexadecimal"])
def test_a_digest_that_is_none_is_refused(target, digest):
    server = Server()
    with serve(server), pytest.raises(InputError, match="sha256 .* 64 hexadecimal digits or"):
        download([server.url], target, digest)
    assert server.ranges == []


def test_wrong_length_is_rejected_before_the_body(target):
    bad, good = Server(CONTENT + b"more"), Server()
    fetch(bad, good, to=target, size=len(CONTENT))
    assert_complete(target)
    with pytest.raises(InputError, match=f"serves {len(CONTENT) + 4} bytes"):
        fetch(Server(CONTENT + b"more"), to=target.with_name("b.h5"), size=len(CONTENT))


def test_body_without_end_is_cut(target):
    bad = Server(CONTENT + b"more", sends_length=False)
    with pytest.raises(InputError, match="sends more"):
        fetch(bad, to=target, size=len(CONTENT))


def flipped(content: bytes) -> bytes:
    return content[:2000] + bytes([content[2000] ^ 1]) + content[2001:]


def test_flipped_byte_goes_to_the_next_mirror(target):
    bad, good = Server(flipped(CONTENT)), Server()
    fetch(bad, good, to=target)
    assert_complete(target)
    assert (bad.ranges, good.ranges) == ([None], [None])


def test_flipped_byte_everywhere_is_an_error(target):
    digest = hashlib.sha256(flipped(CONTENT)).hexdigest()
    with pytest.raises(InputError, match=digest):
        fetch(Server(flipped(CONTENT)), to=target)
    assert os.listdir(target.parent) == []


def test_flipped_byte_in_an_old_part_is_fetched_again(target, part):
    part.write_bytes(flipped(CONTENT)[:3000])
    server = Server()
    fetch(server, to=target)
    assert_complete(target)
    assert server.ranges == ["bytes=3000-", None]


def test_complete_part_needs_no_request(target, part):
    part.write_bytes(CONTENT)
    server = Server()
    fetch(server, to=target)
    assert_complete(target)
    assert server.ranges == []


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("content", [CONTENT + b"more", flipped(CONTENT)])
def test_part_too_long_or_wrong_is_fetched_again(target, part, size, content):
    part.write_bytes(content)
    server = Server()
    fetch(server, to=target, size=size)
    assert_complete(target)
    assert server.ranges[-1] is None


def test_missing_and_unreachable_mirrors_are_passed_over(target):
    missing, good = Server(statuses=(404,) * 9), Server()
    urls = (closed_port_url(), "no-scheme/file.h5")
    fetch(missing, good, to=target, urls=urls, retries=1)
    assert_complete(target)
    assert len(missing.ranges) == 1


def test_silence_times_out(target):
    silent, good = Server(stalls=2.0), Server()
    start = time.monotonic()
    fetch(silent, good, to=target, retries=0, timeout=(5, 0.2))
    assert_complete(target)
    assert time.monotonic() - start < 2.0
    assert good.ranges == [f"bytes={len(CONTENT) // 2}-"]


@pytest.mark.parametrize("sends_length", [True, False])
def test_a_mirror_that_drips_gives_way_and_what_it_sent_is_kept(target, sends_length, monkeypatch):
    """No wait for the next byte is long enough for a time limit."""
    monkeypatch.setattr(download_module, "RATE_SECONDS", 0.5)
    slow, good = Server(drips=0.02, sends_length=sends_length), Server()
    start = time.monotonic()
    fetch(slow, good, to=target)
    assert_complete(target)
    assert time.monotonic() - start < 5
    assert len(slow.ranges) == 1  # a second attempt would be as slow
    assert 8 <= int(good.ranges[0].removeprefix("bytes=").removesuffix("-")) < 100
    with pytest.raises(InputError, match=r"sent \d\d bytes in 1 s; 1000 per second are needed"):
        fetch(Server(drips=0.02), to=target.with_name("b.h5"))


def test_a_pause_is_forgiven(target, monkeypatch):
    monkeypatch.setattr(download_module, "RATE_SECONDS", 0.2)
    server = Server(stalls=0.5)
    fetch(server, to=target)
    assert_complete(target)
    assert server.ranges == [None]


def test_error_names_mirrors_place_and_digest(target):
    missing, gone = Server(statuses=(404,)), closed_port_url()
    with pytest.raises(InputError) as caught:
        fetch(missing, to=target, urls=(gone,), retries=0)
    message = str(caught.value)
    assert f"{gone}: no answer (ConnectionError)" in message
    assert f"{missing.url}: HTTP status 404" in message
    assert "by hand" in message and str(target) in message and SHA256 in message


def test_space_is_checked_before_any_request(target):
    server = Server()
    with pytest.raises(InputError, match="would have 999999999999999999 bytes; allowed are"):
        fetch(server, to=target, size=10**18 - 1)
    assert server.ranges == []


def test_space_is_checked_against_the_announced_length(target, monkeypatch):
    monkeypatch.setattr(download_module, "LARGEST_BYTES", 10**18)
    large, good = Server(length=10**17), Server()
    with pytest.raises(
        InputError, match=rf"{10**17} more bytes are needed for file.h5, \d+ are free"
    ):
        fetch(large, to=target)
    assert os.listdir(target.parent) == []
    fetch(large_again := Server(length=10**17), good, to=target)
    assert_complete(target)
    assert len(large.ranges) == len(large_again.ranges) == 1


# One bad mirror must not stop the good one.


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": str(10**18)},
        {"Content-Length": "9" * 4000},
        {"Content-Length": "-1"},
        {"Content-Length": "٣٠٠٠٠٠"},
        {"Content-Length": "12, 13"},
        {"Content-Length": ""},
        {"Transfer-Encoding": "chunked"},
        {"Content-Encoding": "gzip"},
        {"Content-Range": "bytes 0-0/0"},
    ],
    ids=str,
)
def test_absurd_headers_go_to_the_next_mirror(target, headers):
    headers = {key: value.encode().decode("latin-1") for key, value in headers.items()}
    bad, good = Server(flipped(CONTENT), headers=headers), Server()
    fetch(bad, good, to=target, retries=1)
    assert_complete(target)
    assert good.ranges


@pytest.mark.parametrize(
    "content_range", ["bytes 1000-1/" + "9" * 5000, "bytes " + "1" * 5000 + "-2/3", "none", ""]
)
def test_absurd_ranges_go_to_the_next_mirror(target, part, content_range):
    part.write_bytes(CONTENT[:1000])
    bad = Server(flipped(CONTENT), headers={"Content-Range": content_range}, shift=500)
    fetch(bad, Server(), to=target, retries=1)
    assert_complete(target)


@pytest.mark.parametrize(
    "place",
    [
        "",  # to itself
        "http://",
        "http://[::1",
        "http://a..b.example/",
        "http://" + "a" * 300 + ".example/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/file.h5",
        "\u20ac//:",
        "/elsewhere",
    ],
)
def test_broken_redirects_go_to_the_next_mirror(target, place):
    place = place.encode().decode("latin-1")
    bad, good = Server(redirect=place), Server()
    fetch(bad, good, to=target, retries=0)
    assert_complete(target)
    assert good.ranges == [None]


def test_a_body_without_an_end_or_a_length_is_bounded(target, monkeypatch):
    monkeypatch.setattr(download_module, "LARGEST_BYTES", 10**6)
    bad, good = Server(sends_length=False, repeats=100), Server()
    with pytest.raises(InputError, match="sends more than 1000000 bytes, which are allowed"):
        fetch(bad, to=target)
    assert os.listdir(target.parent) == []
    fetch(Server(sends_length=False, repeats=100), good, to=target)
    assert_complete(target)
    assert (len(bad.ranges), good.ranges) == (1, [None])


def test_a_body_without_a_length_takes_at_most_half_of_the_free_disk(target, monkeypatch):
    usage = shutil.disk_usage(target.parents[1])._replace(free=500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="sends more than 250000 bytes"):
        fetch(Server(sends_length=False), to=target)
    assert os.listdir(target.parent) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is a Linux device")
def test_disk_that_fills_up(target, part):
    part.symlink_to("/dev/full")
    with pytest.raises(InputError, match="disk is full"):
        fetch(Server(), to=target)


def start_script(*mirrors: str, output: Path) -> subprocess.Popen:
    command = [sys.executable, str(SCRIPT), "--sha256", SHA256, "--output", str(output)]
    command += ["--mirrors", *mirrors]
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_script_goes_on_after_a_kill(target):
    server = Server(stalls=1.0)
    with serve(server):
        process = start_script(server.url, output=target)
        part = target.with_name("file.h5.part")
        deadline = time.monotonic() + 20
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert not target.exists()
        held = part.stat().st_size
        process = start_script(server.url, output=target)
        _, progress = process.communicate(timeout=20)
    assert process.returncode == 0
    assert_complete(target)
    assert server.ranges == [None, f"bytes={held}-"]
    # Not a terminal: the first and the last state of the bar, not a stream of them.
    assert progress.count("\r") <= 4


def test_script_error_is_one_message(target):
    server = Server(statuses=(404,))
    with serve(server):
        process = start_script(server.url, output=target)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors.startswith("error: ") and "Traceback" not in errors

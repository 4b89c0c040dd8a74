"""Tests of the cache of published weights against a real HTTP server on this machine."""

import hashlib
import io
import threading

import pytest
import torch

from equimorph.errors import InputError
from equimorph.models.pretrained import (
    digest_in_name,
    fetch_weights,
    load_weights,
)
from tests.servers import Server, closed_port_url, serve

WEIGHTS = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.ones(2)}


def packed(content, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def named(url: str, content: bytes) -> str:
    """Address of a file whose name carries the digest of `content`."""
    digest = hashlib.sha256(content).hexdigest()[:8]
    return url.replace("file.h5", f"tiny-{digest}.pth")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path))
    return tmp_path / "weights"


def test_the_old_variable_is_answered_by_the_new_one(monkeypatch, tmp_path):
    monkeypatch.setenv("EQUIMORPH_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="not read any more; .* above them in EQUIMORPH_CACHE"):
        fetch_weights(named(closed_port_url(), packed(WEIGHTS)))


def test_the_name_carries_the_digest():
    assert digest_in_name("https://x.org/models/resnet18-f37072fd.pth?a=1") == "f37072fd"
    with pytest.raises(InputError, match="model.pth: the file's name must end in"):
        digest_in_name("https://x.org/model.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_fetched_once(cache, zipped):
    content = packed(WEIGHTS, _use_new_zipfile_serialization=zipped)
    server = Server(content)
    url = named(server.url, content)
    with serve(server):
        for _ in range(2):
            weights = load_weights(url)
            assert weights.keys() == WEIGHTS.keys()
            assert all(torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)
    assert len(server.ranges) == 1
    assert fetch_weights(url).parent == cache


def test_a_cache_filled_by_hand_needs_no_network(cache):
    content = packed(WEIGHTS)
    url = named(closed_port_url(), content)
    cache.mkdir()
    place = cache / url.rsplit("/", 1)[1]
    place.write_bytes(content)
    assert fetch_weights(url) == place
    assert [path.name for path in cache.iterdir()] == [place.name]  # nothing written beside it


def test_a_damaged_file_in_the_cache_is_replaced():
    content = packed(WEIGHTS)
    server = Server(content)
    url = named(server.url, content)
    with serve(server):
        fetch_weights(url).write_bytes(content[:-1])
        assert fetch_weights(url).read_bytes() == content


def test_without_network_and_cache_the_error_says_what_to_do(cache):
    url = named(closed_port_url(), packed(WEIGHTS))
    with pytest.raises(InputError) as caught:
        load_weights(url)
    message = str(caught.value)
    assert f"{url}: no answer" in message
    assert str(cache / url.rsplit("/", 1)[1]) in message
    assert f"sha256 must begin with {digest_in_name(url)}" in message


def test_other_bytes_than_the_name_promises_are_refused(cache):
    content = packed(WEIGHTS)
    server = Server(content[:-1] + bytes([content[-1] ^ 1]))
    with serve(server), pytest.raises(InputError, match="what came has the sha256"):
        load_weights(named(server.url, content))
    assert not list(cache.glob("*.pth"))


def test_jobs_that_start_together_download_once():
    content = packed({"weight": torch.zeros(200_000)})
    server = Server(content, stalls=0.3)
    url = named(server.url, content)
    found = []
    with serve(server):
        jobs = [
            threading.Thread(target=lambda: found.append(fetch_weights(url).read_bytes()))
            for _ in range(4)
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    assert found == 4 * [content]
    assert len(server.ranges) == 1


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, witness):
        self.witness = witness

    def __reduce__(self):
        return (open, (str(self.witness), "w"))


def test_nothing_in_the_file_is_executed(tmp_path):
    witness = tmp_path / "witness"
    content = packed({"weight": Trap(witness)})
    server = Server(content)
    with serve(server), pytest.raises(InputError, match="not readable as plain torch weights"):
        load_weights(named(server.url, content))
    assert not witness.exists()


@pytest.mark.parametrize("other", [[torch.zeros(1)], {"epoch": 3}])
def test_a_file_of_something_else_is_refused(other):
    content = packed(other)
    server = Server(content)
    with serve(server), pytest.raises(InputError, match="a mapping from names to tensors"):
        load_weights(named(server.url, content))


def test_a_folder_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cannot be written to .*EQUIMORPH_CACHE"):
        fetch_weights(named(closed_port_url(), packed(WEIGHTS)))

"""The server: real requests to a real one, right and wrong ones."""

import gzip
import io
import os
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from equimorph.classify.classifier import load
from tests.unit.classify.conftest import CLASSES, make_study

pytest.importorskip("fastapi")
pytest.importorskip("python_multipart")
uvicorn = pytest.importorskip("uvicorn")

from tests.unit.app.running import running  # noqa: E402

BODY = 200_000
NAME = "a-name-that-only-a-client-gives.png"
PART = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with a D4 network."""
    return make_study(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="module")
def classifier(study):
    return load(study.folder)


@pytest.fixture(scope="module")
def url(classifier):
    """A server with small limits."""
    with running(classifier, body_bytes=BODY, files=8, certificates=2, seconds=1.5) as address:
        yield address


def png(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def post(url, *contents, names=None, **query):
    names = names or [f"{number}.png" for number in range(len(contents))]
    files = [("files", (name, content)) for name, content in zip(names, contents, strict=True)]
    return requests.post(f"{url}/predict", files=files, params=query, timeout=30)


def test_several_images_get_the_classifiers_probabilities(url, study, classifier):
    answer = post(url, *map(png, study.images[:5]), neighbours=2)
    assert answer.status_code == 200
    expected = classifier.predict(study.images[:5], certificate=False)
    for found, one in zip(answer.json(), expected, strict=True):
        assert found["probabilities"] == pytest.approx(one.probabilities, abs=1e-6)
        assert found["label"] == one.label and len(found["neighbours"]) == 2
    assert answer.json()[3]["name"] == "3.png" and answer.json()[0]["certificate"] is None


def test_a_certificate_is_asked_for(url, study):
    (found,) = post(url, png(study.images[0]), certificate=True).json()
    assert found["certificate"]["at_quarter_turns"] == 0


def test_the_page_health_metrics_and_description(url, study):
    post(url, png(study.images[0]))
    assert requests.get(url).text == "<p>page</p>"
    health = requests.get(f"{url}/health").json()
    assert health == {"status": "ok", "classes": CLASSES, "waiting": 0}
    assert "/predict" in requests.get(f"{url}/openapi.json").json()["paths"]
    text = requests.get(f"{url}/metrics").text
    assert 'equimorph_requests_total{path="/predict",status="200"}' in text
    assert "equimorph_images_total " in text


def bomb(side):
    """A small PNG file that claims to be large."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bad_contents():
    """Contents of files that are no square image, by what is wrong."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (33, 33, 3), dtype=np.uint8)
    whole, jpeg = png(pixels), png(pixels, "JPEG")
    frames = io.BytesIO()
    several = [Image.fromarray(pixels), Image.fromarray(255 - pixels)]
    several[0].save(frames, "GIF", save_all=True, append_images=several[1:])
    deep = io.BytesIO()
    Image.fromarray(draw.integers(0, 65536, (33, 33), dtype=np.uint16)).save(deep, "PNG")
    found = {
        "empty": b"",
        "one byte": b"x",
        "text": b"hello",
        "html": b"<html><script>alert(1)</script></html>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "pdf": b"%PDF-1.7\n",
        "zip": b"PK\x03\x04" + bytes(100),
        "gzip": gzip.compress(whole),
        "elf": b"\x7fELF" + bytes(100),
        "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01x\x94.",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "random": draw.bytes(5000),
        "zeros": bytes(5000),
        "png head alone": whole[:8],
        "png cut in its head": whole[:20],
        "png cut": whole[: len(whole) // 2],
        "jpeg head alone": jpeg[:4],
        "jpeg cut": jpeg[:200],
        "png with a wrong checksum": whole[:40] + bytes([whole[40] ^ 255]) + whole[41:],
        "bomb of 20,000 px": bomb(20_000),
        "bomb of 60,000 px": bomb(60_000),
        "claims 5,000 px": bomb(5000),
        "wide": png(pixels[:20]),
        "high": png(pixels[:, :20]),
        "tiny": png(pixels[:4, :4]),
        "one pixel": png(pixels[:1, :1]),
        "frames": frames.getvalue(),
        "16 bits": deep.getvalue(),
        "fits nonsense": b"SIMPLE  = T",
        "fits without an image": b"SIMPLE  =                    T".ljust(2880),
        "bmp head alone": b"BM" + bytes(10),
        "webp head alone": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
        "tiff head alone": b"II*\x00\x08\x00\x00\x00",
        "ppm that claims": b"P6 30000 30000 255\n" + bytes(100),
    }
    return [pytest.param(content, id=name) for name, content in found.items()]


@pytest.mark.parametrize("content", bad_contents())
def test_what_is_no_square_image_is_refused_with_a_reason(url, content):
    answer = post(url, content, names=["../../etc/passwd"])
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("../../etc/passwd: ") or "passwd: " in answer.text
    assert len(answer.json()["detail"]) > 30


def test_requests_of_another_form_are_refused(url, study):
    image = png(study.images[0])
    form = {"files": [("files", ("a.png", image))]}
    tries = {
        "no file": (422, lambda: requests.post(f"{url}/predict")),
        "a body that is no form": (422, lambda: requests.post(f"{url}/predict", data=image)),
        "json": (422, lambda: requests.post(f"{url}/predict", json={"files": ["a"]})),
        "a text in place of a file": (
            422,
            lambda: requests.post(f"{url}/predict", data={"files": "a"}),
        ),
        "a form cut off": (
            400,
            lambda: requests.post(
                f"{url}/predict",
                data=b"--x\r\nContent-Disposition: form-data",
                headers={"Content-Type": "multipart/form-data"},
            ),
        ),
        "another field": (
            422,
            lambda: requests.post(f"{url}/predict", files={"other": ("a.png", image)}),
        ),
        "GET": (405, lambda: requests.get(f"{url}/predict")),
        "PUT": (405, lambda: requests.put(f"{url}/predict", **form)),
        "DELETE": (405, lambda: requests.delete(f"{url}/predict")),
        "POST to the page": (405, lambda: requests.post(url)),
        "another path": (404, lambda: requests.get(f"{url}/etc/passwd")),
        "a path that leads out": (404, lambda: requests.get(f"{url}/..%2f..%2fetc/passwd")),
        "a negative scale": (422, lambda: post(url, image, pixel_scale=-1)),
        "a scale that is no number": (422, lambda: post(url, image, pixel_scale="x")),
        "a scale of nan": (422, lambda: post(url, image, pixel_scale="nan")),
        "a field that is too small": (422, lambda: post(url, image, pixel_scale=0.1)),
        "too many neighbours": (422, lambda: post(url, image, neighbours=1000)),
        "too many files": (413, lambda: post(url, *[image] * 9)),
        "too many certificates": (413, lambda: post(url, *[image] * 3, certificate=True)),
        "too large": (413, lambda: post(url, bytes(BODY + 1))),
        "too large in parts": (
            413,
            lambda: requests.post(
                f"{url}/predict",
                data=iter([PART, *[bytes(50_000)] * 6]),
                headers={"Content-Type": "multipart/form-data; boundary=x"},
            ),
        ),
    }
    for name, (status, call) in tries.items():
        answer = call()
        assert answer.status_code == status, (name, answer.status_code, answer.text[:200])
        assert answer.json()["detail"], name
    assert post(url, image).status_code == 200


def test_a_bad_image_among_good_ones_is_named(url, study):
    answer = post(url, png(study.images[0]), b"no image", names=["good.png", "bad.png"])
    assert answer.status_code == 422 and answer.json()["detail"].startswith("bad.png: not a reada")


def test_a_slow_client_is_cut_off_and_others_are_served(url, study):
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        slow.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x".encode())
        assert post(url, png(study.images[0])).status_code == 200
        assert b" 408 " in slow.recv(1000).split(b"\r\n")[0]


def test_a_client_may_not_ask_too_often(classifier, study):
    with running(classifier, per_minute=5) as url:
        statuses = [requests.get(f"{url}/health").status_code for _ in range(8)]
    assert statuses[:5] == [200] * 5 and 429 in statuses[5:]


def test_many_at_once_are_predicted_together_and_right(classifier, study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    images = study.images[:96]
    contents = [png(one) for one in images]
    expected = [one.label for one in classifier.predict(images, certificate=False)]
    sizes = []
    predict = type(classifier).predict_galaxies

    def observed(self, galaxies, *given):
        sizes.append(len(galaxies))
        return predict(self, galaxies, *given)

    monkeypatch.setattr(type(classifier), "predict_galaxies", observed)
    with running(classifier, per_minute=None) as url, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda content: post(url, content, names=[NAME]), contents))
    assert [answer.status_code for answer in answers] == [200] * len(contents)
    assert [answer.json()[0]["label"] for answer in answers] == expected
    assert max(sizes) > 1 and sum(sizes) == len(contents)
    assert list(Path(tmp_path).iterdir()) == []
    assert NAME not in os.listdir("/tmp")

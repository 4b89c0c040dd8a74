"""Cut-outs from a server on this machine that has the habits of the surveys' service."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from equimorph.errors import InputError
from equimorph.sky.fluxes import to_rgb
from equimorph.sky.service import Position, Service
from tests.servers import closed_port_url, serve
from tests.sky import SkyServer, galaxy

M51 = Position(202.4696, 47.1953, "M51")


def quick(server, **options):
    """A service that waits for nothing."""
    return Service(server.url, backoff=0, **options)


def test_a_jpeg_cut_out_is_asked_for_as_the_service_wants_it():
    server = SkyServer()
    with serve(server):
        pixels = quick(server).cut_out(M51, 60, pixel_scale=0.5)
    assert pixels.shape == (60, 60, 3) and pixels.dtype == np.uint8
    assert server.asked == [
        {
            "path": "/viewer/jpeg-cutout",
            "ra": "202.4696000",
            "dec": "47.1953000",
            "layer": "ls-dr9",
            "pixscale": "0.5",
            "size": "60",
        }
    ]
    assert pixels[28:32, 28:32].mean() > pixels[:4].mean() + 50


def test_fits_and_jpeg_show_the_same_field_the_same_way_up():
    pytest.importorskip("astropy")
    server = SkyServer()
    with serve(server):
        both = [quick(server).cut_out(M51, 80, fits=fits).astype(int) for fits in (False, True)]
    assert server.asked[1]["bands"] == "grz" and server.asked[1]["path"] == "/viewer/fits-cutout"
    assert np.abs(both[0] - both[1]).mean() <= 1
    expected = to_rgb(galaxy(202.4696, 47.1953, 80, 0.262), 0.262)
    assert np.abs(both[1] - expected).max() <= 1


@pytest.mark.parametrize("fits", [False, True])
def test_outside_the_footprint_is_said_not_classified(fits):
    if fits:
        pytest.importorskip("astropy")
    server = SkyServer()
    south = Position(10.0, -85.0, "south")
    message = "has no data in 100% of the band g" if fits else "outside the footprint of ls-dr9"
    with serve(server), pytest.raises(InputError, match=message):
        quick(server).cut_out(south, 40, fits=fits)


def test_a_server_that_stumbles_is_asked_again():
    server = SkyServer(statuses=(503, 429, 500))
    with serve(server):
        assert quick(server).cut_out(M51, 30).shape == (30, 30, 3)
    assert len(server.asked) == 4


def test_a_server_that_never_answers_is_left_with_one_sentence():
    server = SkyServer(statuses=9 * (503,))
    with serve(server), pytest.raises(InputError) as error:
        quick(server).cut_out(M51, 30)
    assert "HTTP status 503 Service Unavailable (after 5 attempts)" in str(error.value)
    assert len(server.asked) == 5
    with pytest.raises(
        InputError, match=r"cannot be reached \(ConnectionError\) \(after 5 attempts"
    ):
        Service(closed_port_url(), backoff=0).cut_out(M51, 30)


def test_a_refusal_is_final():
    server = SkyServer(statuses=(404,))
    with serve(server), pytest.raises(InputError, match="HTTP status 404 Not Found"):
        quick(server).cut_out(M51, 30)
    assert len(server.asked) == 1


def png(side):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<html>busy</html>", "its answer cannot be used: not a readable image"),
        (b"", "its answer cannot be used: not a readable image"),
        (png(30)[:-200], "its answer cannot be used: not a readable image"),
        (png(29), "answers with 29x29 px instead of 30x30"),
    ],
)
def test_another_answer_is_no_image_of_the_sky(answer, message):
    server = SkyServer(answer=answer)
    with serve(server), pytest.raises(InputError, match=message):
        quick(server).cut_out(M51, 30)


def test_a_server_that_drips_is_left_after_the_deadline():
    server = SkyServer(drips=0.05)
    started = time.monotonic()
    with serve(server), pytest.raises(InputError, match=r"takes longer than 0\.1 s \(after 5 att"):
        quick(server, deadline=0.1).cut_out(M51, 400)
    assert len(server.asked) == 5
    assert time.monotonic() - started < 20


def test_sides_that_the_service_would_clip_are_refused():
    with pytest.raises(InputError, match="side 3001 px: allowed are 1 to 3000"):
        Service().cut_out(M51, 3001)


def test_layers_with_other_colours_are_refused():
    with pytest.raises(InputError, match="'ls-dr10' has the colours of griz: allowed are ls-dr8, "):
        Service(layer="ls-dr10")
    with pytest.raises(InputError, match="layer 'sdss': allowed are ls-dr8, ls-dr9, ls-dr10-grz"):
        Service(layer="sdss")


@pytest.mark.parametrize("url", ["nowhere", "ftp://x", "http://", "http://[x"])
def test_an_address_that_is_none_is_said(url):
    with pytest.raises(InputError, match="not a usable address|cannot be reached"):
        Service(url, backoff=0).cut_out(M51, 30)

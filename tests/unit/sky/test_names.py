"""Names of galaxies, asked of a server on this machine that plays Sesame."""

import pytest

from equimorph.errors import InputError
from equimorph.sky.names import position, resolve_name
from tests.servers import Server, closed_port_url, serve

FOUND = b"# M 51\n#=S=Simbad\n%J 202.469575 +47.195258 = 13 29 52.69  +47 11 42.9\n"


def test_a_name_is_a_position():
    pytest.importorskip("astropy")
    server = Server(FOUND, content_type="text/plain")
    with serve(server):
        place = resolve_name("M51", server.url)
    assert (place.ra, place.dec) == pytest.approx((202.469575, 47.195258))
    assert place.name == "M51"


def test_an_unknown_name_and_an_unreachable_server_are_said():
    pytest.importorskip("astropy")
    server = Server(b"#!SIMBAD: No known catalog could be found\n", content_type="text/plain")
    with serve(server), pytest.raises(InputError, match="Mxyz: no such file, and no galaxy of th"):
        resolve_name("Mxyz", server.url)
    with pytest.raises(InputError, match="M51: no such file, and Sesame, .* cannot be reached"):
        resolve_name("M51", closed_port_url())


@pytest.mark.parametrize("name", ["", "a\nb", "a?b=c", "https://x", 100 * "M", "{x}", "$(touch x)"])
def test_what_cannot_be_a_name_is_never_asked_for(name):
    pytest.importorskip("astropy")
    with pytest.raises(InputError, match="no name of a galaxy, and no such file"):
        resolve_name(name, "http://127.0.0.1:1")


def test_positions_are_degrees():
    assert position(184.74, 47.3).name == "184.74000+47.30000"
    assert position(0, -90, "pole").name == "pole"
    for ra, dec in ((361, 0), (-1, 0), (0, 91), (float("nan"), 0), (0, float("inf"))):
        with pytest.raises(InputError, match="allowed are degrees, ra from 0 to 360 and dec from"):
            position(ra, dec)

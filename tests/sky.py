"""A server on this machine that plays the Legacy Surveys' cut-out service, with its habits."""

import io
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from equimorph.sky.fluxes import to_rgb

Field = Callable[[float, float, int, float], np.ndarray]
CLIPPED = 3000  # px


def empty(ra: float, dec: float, side: int, scale: float) -> np.ndarray:
    """Sky with noise, which is smooth, as co-adding leaves it."""
    draw = np.random.default_rng([int(ra * 1000), int((dec + 90) * 1000)])
    noise = draw.normal(0, 0.01, (3, side, side))
    return gaussian_filter(noise, (0, 1.5, 1.5)).astype(np.float32)


def galaxy(ra: float, dec: float, side: int, scale: float) -> np.ndarray:
    """A round galaxy on it, nanomaggies per pixel in g, r, z, the first row in the north."""
    axis = (np.arange(side) - (side - 1) / 2) * scale
    radius = np.hypot(axis[:, None], axis[None, :] - 1)
    light = np.exp(-radius / 3) * (scale / 0.262) ** 2
    return empty(ra, dec, side, scale) + light * np.array([0.1, 0.25, 0.4])[:, None, None]


class SkyServer(ThreadingHTTPServer):
    """Serves `jpeg-cutout` and `fits-cutout`.

    Attributes:
        url: of the viewer.
        asked: the query of each request.
        most_at_once: requests that waited for an answer at one time.
    """

    daemon_threads = True

    def __init__(
        self,
        field: Field = galaxy,
        *,
        statuses: tuple[int, ...] = (),  # of the first answers
        answer: bytes | None = None,  # in place of every image
        slow: float = 0.0,  # seconds before an answer
        drips: float = 0.0,  # seconds between parts of an answer
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/viewer"
        self.field, self.statuses, self.answer = field, list(statuses), answer
        self.slow, self.drips = slow, drips
        self.asked: list[dict[str, str]] = []
        self.open_now = self.most_at_once = 0
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        with server.lock:
            server.open_now += 1
            server.most_at_once = max(server.most_at_once, server.open_now)
        time.sleep(server.slow)
        with server.lock:  # before the reply, upon which the client may ask again
            server.open_now -= 1
        self.reply()

    def reply(self):
        server = self.server
        address = urlparse(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        server.asked.append({"path": address.path, **query})
        if server.statuses:
            self.send_error(server.statuses.pop(0))
            return
        body = server.answer
        if body is None:
            body = cut_out(server.field, address.path.endswith("fits-cutout"), query)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        parts = 1 if not server.drips else 20
        for start in range(0, len(body), max(1, len(body) // parts)):
            self.wfile.write(body[start : start + max(1, len(body) // parts)])
            self.wfile.flush()
            time.sleep(server.drips)

    def log_message(self, *arguments):
        pass


def cut_out(field: Field, as_fits: bool, query: dict[str, str]) -> bytes:
    """Return the content of the file that the service makes."""
    side, scale = min(int(query["size"]), CLIPPED), float(query["pixscale"])
    fluxes = field(float(query["ra"]), float(query["dec"]), side, scale)
    outside = float(query["dec"]) < -80
    file = io.BytesIO()
    if as_fits:
        from astropy.io import fits

        header = fits.Header({"BANDS": "grz", "CD1_1": -scale / 3600, "CD2_1": 0.0})
        data = np.zeros_like(fluxes) if outside else fluxes[:, ::-1]
        fits.PrimaryHDU(data.astype(np.float32), header).writeto(file)
        return file.getvalue()
    pixels = np.full((side, side, 3), 32, np.uint8) if outside else to_rgb(fluxes, scale)
    # Colours are not thinned out, so that what tests compare is not the compression.
    Image.fromarray(pixels).save(file, "JPEG", quality=98, subsampling=0)
    return file.getvalue()

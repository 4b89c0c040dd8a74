"""A server that classifies the images that it is sent, and serves the page."""

import asyncio
import math
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.formparsers import MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from equimorph import __version__
from equimorph.classify.classifier import Classifier, Prediction, Ready
from equimorph.classify.images import Galaxy, galaxy_of
from equimorph.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        body_bytes: of one request, all images together.
        files: images of one request.
        seconds: in which a request has to arrive.
        per_minute: requests of one client, None for any number.
        certificates: images of one request that may be turned, too, which takes 32 times as long.
        batch: images that the network sees at a time.
        waiting: images that wait for the network; more are sent away.
    """

    body_bytes: int = 32 * 2**20
    files: int = 64
    seconds: float = 30.0
    per_minute: int | None = 1200
    certificates: int = 4
    batch: int = 64
    waiting: int = 1024


def create_app(classifier: Classifier, page: str, limits: Limits | None = None) -> FastAPI:
    """Return the application.

    `GET /` is the page, `POST /predict` takes images as the field `files` of a form, `GET /health`
    tells that the server is up, `GET /metrics` counts for Prometheus, `GET /docs` describes all.

    Args:
        classifier: the network.
        page: HTML.
        limits: what a client may ask for.
    """
    bounds = limits or Limits()
    batches = Batches(classifier, bounds)
    counts = Counts()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        worker = asyncio.create_task(batches.run())
        try:
            yield
        finally:
            worker.cancel()

    app = FastAPI(
        title="equimorph",
        version=__version__,
        description="Morphological classes of galaxies, with calibrated probabilities.",
        lifespan=running,
    )
    app.add_middleware(Guard, limits=bounds, counts=counts)
    # What a client sends stays in memory, whose size the guard bounds.
    MultiPartParser.spool_max_size = bounds.body_bytes

    @app.get("/", response_class=HTMLResponse, summary="The page")
    async def index() -> str:
        return page

    @app.get("/health", summary="Whether the server is up")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "classes": classifier.classes, "waiting": batches.waiting}

    @app.get("/metrics", response_class=PlainTextResponse, summary="Counts for Prometheus")
    async def metrics() -> str:
        return counts.as_text(batches.waiting)

    @app.post("/predict", summary="Classify images")
    async def predict(
        files: list[UploadFile],
        pixel_scale: float | None = Query(None, gt=0, le=3600, description="arcsec per px"),
        certificate: bool = Query(False, description="turn and mirror each image, too"),
        neighbours: int = Query(0, ge=0, le=20, description="training images to name"),
    ) -> list[dict[str, Any]]:
        """Classify images, square and with the galaxy in the middle, or FITS files with g, r, z."""
        if len(files) > bounds.files:
            raise HTTPException(413, f"{len(files)} files: allowed are {bounds.files}.")
        if certificate and len(files) > bounds.certificates:
            raise HTTPException(
                413, f"{len(files)} files with a certificate: allowed are {bounds.certificates}."
            )
        galaxies = [await _read(classifier, file, pixel_scale) for file in files]
        asked = Asked(certificate, neighbours)
        found = await asyncio.gather(*(batches.predict(one, asked) for one in galaxies))
        counts.images += len(found)
        return [_as_json(one) for one in found]

    @app.exception_handler(InputError)
    async def refuse(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    return app


@dataclass(frozen=True)
class Asked:
    """What is to be told of an image; images that ask for the same are predicted together."""

    certificate: bool
    neighbours: int


class Batches:
    """Images of many requests, which the network sees together."""

    def __init__(self, classifier: Classifier, limits: Limits):
        self.classifier, self.limits = classifier, limits
        self.queue: asyncio.Queue[tuple[Galaxy | Ready, Asked, asyncio.Future]] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """Images that wait."""
        return self.queue.qsize()

    async def predict(self, galaxy: Galaxy | Ready, asked: Asked) -> Prediction:
        """Return the prediction of an image, once its turn has come.

        Raises:
            HTTPException: too many wait already.
            InputError: the image does not suit the network.
        """
        if self.waiting >= self.limits.waiting:
            raise HTTPException(503, "too many images are waiting; try again later.")
        future: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((galaxy, asked, future))
        return await future

    async def run(self) -> None:
        """Predict whatever waits, as many images at a time as there are, until cancelled."""
        while True:
            batch = [await self.queue.get()]
            while len(batch) < self.limits.batch and not self.queue.empty():
                batch.append(self.queue.get_nowait())
            groups: dict[Asked, list[tuple[Galaxy | Ready, asyncio.Future]]] = {}
            for galaxy, asked, future in batch:
                groups.setdefault(asked, []).append((galaxy, future))
            for asked, members in groups.items():
                await self._predict(asked, members)

    async def _predict(
        self, asked: Asked, members: list[tuple[Galaxy | Ready, asyncio.Future]]
    ) -> None:
        galaxies = [galaxy for galaxy, _ in members]
        try:
            found: list[Any] = await run_in_threadpool(
                self.classifier.predict_galaxies, galaxies, asked.certificate, asked.neighbours
            )
        except Exception as error:
            if len(members) > 1:  # one of them is at fault
                for member in members:
                    await self._predict(asked, [member])
                return
            found = [error]
        for (_, future), one in zip(members, found, strict=True):
            if future.done():  # the client has gone
                continue
            if isinstance(one, Exception):
                future.set_exception(one)
            else:
                future.set_result(one)


class Counts:
    """What Prometheus asks for."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.images = 0
        self.seconds = 0.0

    def as_text(self, waiting: int) -> str:
        """Return the counts in Prometheus' text format."""
        lines = ["# TYPE equimorph_requests_total counter"]
        lines += [
            f'equimorph_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        for name, kind, value in (
            ("images_total", "counter", self.images),
            ("request_seconds_total", "counter", round(self.seconds, 3)),
            ("images_waiting", "gauge", waiting),
        ):
            lines += [f"# TYPE equimorph_{name} {kind}", f"equimorph_{name} {value}"]
        return "\n".join(lines) + "\n"


class Guard:
    """Bounds what comes in, before anything reads it: bytes, time, and requests per client."""

    PATHS = ("/", "/predict", "/health", "/metrics", "/docs", "/openapi.json")
    MOST_CLIENTS = 10_000

    def __init__(self, app: ASGIApp, limits: Limits, counts: Counts):
        self.app, self.limits, self.counts = app, limits, counts
        self.clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the reason why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 500
        body = _Body(receive, started, self.limits)

        async def observed(message: Message) -> None:
            nonlocal status
            if body.refused is not None and not body.refused.answered:
                return  # whatever is made of a body that was cut off
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._check(scope)
            await self.app(scope, body.receive, observed)
            if body.refused is not None:
                raise body.refused
        except _RefusedError as refused:
            refused.answered = True
            answer = JSONResponse({"detail": refused.reason}, refused.status)
            answer.headers["Connection"] = "close"
            await answer(scope, receive, observed)
        finally:
            path = scope["path"] if scope["path"] in self.PATHS else "other"
            self.counts.requests[path, status] += 1
            self.counts.seconds += time.monotonic() - started

    def _check(self, scope: Scope) -> None:
        """Refuse what can be refused by its head alone."""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self.limits.body_bytes:
            raise _RefusedError(413, f"allowed are {self.limits.body_bytes} bytes in all.")
        if self.limits.per_minute is None:
            return
        client = scope["client"][0] if scope.get("client") else "unknown"
        now, most = time.monotonic(), float(self.limits.per_minute)
        left, before = self.clients.pop(client, (most, now))
        left = min(most, left + (now - before) * most / 60)
        self.clients[client] = (max(left - 1, 0), now)
        while len(self.clients) > self.MOST_CLIENTS:
            self.clients.popitem(last=False)
        if left < 1:
            raise _RefusedError(429, f"allowed are {self.limits.per_minute} requests a minute.")


class _RefusedError(Exception):
    """Why a request is not read to its end."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status, self.reason = status, reason
        self.answered = False


class _Body:
    """A request's body, bounded in bytes and time until it is whole.

    Attributes:
        refused: why no more of it is read; the framework below makes other errors of it.
    """

    def __init__(self, receive: Receive, started: float, limits: Limits):
        self._receive, self.limits = receive, limits
        self.deadline, self.come, self.whole = started + limits.seconds, 0, False
        self.refused: _RefusedError | None = None

    async def receive(self) -> Message:
        """Return the next part.

        Raises:
            _RefusedError: it is one too many, or too late.
        """
        if self.whole:  # now only the end of the client is to be heard of
            return await self._receive()
        left = self.deadline - time.monotonic()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0))
        except TimeoutError as error:
            reason = f"the request took more than {self.limits.seconds:g} s to arrive."
            self.refused = _RefusedError(408, reason)
            raise self.refused from error
        self.come += len(message.get("body", b""))
        if self.come > self.limits.body_bytes:
            self.refused = _RefusedError(413, f"allowed are {self.limits.body_bytes} bytes in all.")
            raise self.refused
        self.whole = not message.get("more_body", False)
        return message


async def _read(
    classifier: Classifier, file: UploadFile, pixel_scale: float | None
) -> Galaxy | Ready:
    # A client's name of a file is shown to that client again, and used for nothing else.
    name = (file.filename or "image")[:200]
    content = await file.read()

    def read() -> Galaxy | Ready:
        return classifier.ready(galaxy_of(name, content, pixel_scale))

    try:
        return await run_in_threadpool(read)
    except InputError as error:
        raise HTTPException(422, f"{name}: {error}") from error


def _as_json(found: Prediction) -> dict[str, Any]:
    """Return a prediction ready for JSON, which knows no NaN: an unknown position is null."""
    told = {**asdict(found), "label": found.label}
    for one in told["neighbours"]:
        one |= {key: None if math.isnan(one[key]) else one[key] for key in ("ra", "dec")}
    return told

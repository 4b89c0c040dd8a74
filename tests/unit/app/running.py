"""A real server of a classifier."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from equimorph.app.server import Limits, create_app
from equimorph.classify.classifier import Classifier


@contextmanager
def running(
    classifier: Classifier, page: str = "<p>page</p>", **limits: int | float | None
) -> Iterator[str]:
    """Yield the address of a server that runs until the block ends."""
    app = create_app(classifier, page, Limits(**limits))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)

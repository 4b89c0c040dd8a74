"""Requests per second of `equimorph serve`: 16 clients at once against one after the other.

python tests/benchmarks/serve.py IMAGE [REQUESTS] [--model NAME]; memory is that of the server.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import requests

PORT, CLIENTS = 8765, 16


def main() -> None:
    """Start a server, ask it, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("requests", type=int, nargs="?", default=1000)
    parser.add_argument("--model", default=None)
    arguments = parser.parse_args()
    content = arguments.image.read_bytes()
    model = ["--model", arguments.model] if arguments.model else []
    command = [sys.executable, "-m", "equimorph.app.cli", "serve", "--port", str(PORT), *model]
    server = subprocess.Popen([*command, "--rate", "1000000000"])
    url = f"http://127.0.0.1:{PORT}"
    try:
        for _ in range(200):
            try:
                requests.get(f"{url}/health", timeout=1)
                break
            except requests.ConnectionError:
                time.sleep(0.2)

        def ask(session: requests.Session) -> int:
            files = {"files": ("galaxy.png", content)}
            return session.post(f"{url}/predict", files=files, timeout=60).status_code

        def client(count: int) -> list[int]:
            with requests.Session() as session:
                return [ask(session) for _ in range(count)]

        client(20)
        started = time.perf_counter()
        alone = client(arguments.requests // 4)
        one = len(alone) / (time.perf_counter() - started)
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            found = list(pool.map(client, [arguments.requests // CLIENTS] * CLIENTS))
        statuses = [status for part in found for status in part]
        many = len(statuses) / (time.perf_counter() - started)
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
        print(f"{len(statuses)} requests, {sum(s != 200 for s in statuses)} errors")
        print(f"one by one {one:.1f} per s, {CLIENTS} at once {many:.1f} per s: {many / one:.2f} x")
        print(f"memory {memory:.0f} MiB")
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()

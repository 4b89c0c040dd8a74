"""Programs that find their libraries imported: forks of a process that has loaded them.

A study at the size of a test is some fifty jobs, each a second or two of imports (torch, pandas,
matplotlib) for a tenth of a second of work. Here `python SCRIPT` and `snakemake` on PATH are small
launchers that hand their arguments, folder, environment and streams to a server, which forks; the
fork runs the real script, with the equimorph that PYTHONPATH names. Nothing of equimorph is
imported ahead, since tests edit it.

What a fork does not show: an import that a script has forgotten, the order of a set (all forks have
the server's hash seed), what `python -X` and PYTHON* variables change, limits (`ulimit`), mounts,
signals (a launcher that ends, however, kills its fork), the figures of snakemake's `benchmark:`.
Tests of these, and the finished study that most tests start from, run cold.
"""

import atexit
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

# What the scripts and snakemake import.
IMPORTED = (
    *("numpy", "pandas", "h5py", "yaml", "jsonschema", "jinja2", "tqdm", "filelock", "PIL.Image"),
    *("scipy.ndimage", "scipy.optimize", "scipy.spatial", "scipy.stats", "safetensors.torch"),
    *("sklearn.calibration", "sklearn.decomposition", "sklearn.manifold", "sklearn.metrics"),
    *("matplotlib.pyplot", "matplotlib.backends.backend_svg", "torch", "torch.utils.flop_counter"),
    *("snakemake.cli", "snakemake.api", "snakemake_executor_plugin_slurm"),
)
WARM = "EQUIMORPH_TEST_WARM"  # the variable that has the folder of the launchers
_MOST_STREAMS = 253  # SCM_MAX_FD of Linux


def supported() -> bool:
    """Return whether a process can wait for another's end as for data, as Linux lets it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


@contextmanager
def warm_programs(folder: Path) -> Iterator[Path]:
    """Yield a folder for the front of PATH; the server ends with the context, or with its parent.

    Args:
        folder: to make; its path must be short enough for a socket's, about 90 bytes.
    """
    folder.mkdir()
    server = subprocess.Popen(
        [sys.executable, __file__, "serve", str(folder / "socket")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"},
    )
    assert server.stdin and server.stdout
    launcher = f'"{sys.executable}" -S "{__file__}" start "{folder}/socket"'
    for name in ("python", "snakemake"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {launcher} {name} "$@"\n')
        program.chmod(0o755)
    try:
        assert server.stdout.readline() == b"ready\n"
        yield folder
    finally:
        server.stdin.close()
        server.wait()


def start(place: str, name: str, *arguments: str) -> int:
    """Have the server run a program; return its exit status.

    Args:
        place: the server's socket.
        name: `python` or `snakemake`.
        *arguments: what the program was called with.
    """
    script = arguments[:1] if name == "python" else (str(Path(sys.executable).with_name(name)),)
    if not script or not Path(script[0]).is_file():  # -c, -m, a mistake
        # The full path, by which the interpreter finds its environment.
        os.execv(sys.executable, [sys.executable, *arguments])
    given = arguments[1:] if name == "python" else arguments
    streams = _open_streams()  # the shell's <(…) are among them
    task = {
        "arguments": [*script, *given],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "streams": streams,
    }
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(place)
        socket.send_fds(server, [b"."], streams)
        server.sendall(json.dumps(task).encode() + b"\n")
        status = int(server.makefile().read() or -signal.SIGKILL)
    if status < 0:
        os.kill(os.getpid(), -status)
    return status


def _open_streams() -> list[int]:
    """Return the numbers of the open files that programs inherit."""
    open_now = [int(number) for number in os.listdir("/proc/self/fd")]
    return [n for n in open_now if Path(f"/proc/self/fd/{n}").exists() and os.get_inheritable(n)]


def serve(place: str) -> list[str]:
    """Import everything and fork until the standard input ends; return in forks alone.

    Args:
        place: where to make the socket.

    Returns:
        The script and its arguments.
    """
    for name in IMPORTED:
        with suppress(ModuleNotFoundError):  # of an extra
            importlib.import_module(name)
    gc.freeze()  # the forks share the pages
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(place)
    listening.listen(64)
    os.write(1, b"ready\n")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the forks below wait for programs themselves
    while sys.stdin not in select.select([listening, sys.stdin], [], [])[0]:
        connection = listening.accept()[0]
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _fork(connection)
        connection.close()
    sys.exit()


def _fork(connection: socket.socket) -> list[str]:
    """Fork the program, tell the launcher how it ended, or end it with the launcher."""
    streams = socket.recv_fds(connection, 1, _MOST_STREAMS)[1]
    task = json.loads(connection.makefile().readline())
    program = os.fork()
    if program == 0:
        os.setsid()  # its children end with it
        connection.close()
        return _become(task, streams)
    ended = os.pidfd_open(program)
    if ended not in select.select([ended, connection], [], [])[0]:
        os.killpg(program, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with suppress(BrokenPipeError):  # nobody waits any more
        connection.sendall(str(status).encode())
    os._exit(0)


def _become(task: dict, streams: list[int]) -> list[str]:
    """Take over the streams, the folder and the environment of the launcher."""
    # Out of the way of each other's numbers.
    moved = [fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 512) for stream in streams]
    for stream in streams:
        os.close(stream)
    for stream, number in zip(moved, task["streams"], strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(task["folder"])
    os.environ.clear()
    os.environ.update(task["environment"])
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    script = Path(task["arguments"][0]).resolve()
    sys.path[:1] = [str(script.parent), *map(os.path.abspath, paths)]
    sys.modules["numpy"].random.seed()  # or all forks would draw the same
    return task["arguments"]


def _run(script: str) -> int:
    """Run a script as the interpreter would; return its exit status."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _leave(status: int) -> NoReturn:
    """End as the interpreter would, but leave memory to the kernel: to free torch takes 0.5 s."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    if sys.argv[1] == "start":
        sys.exit(start(*sys.argv[2:]))
    sys.argv = serve(sys.argv[2])
    _leave(_run(sys.argv[0]))

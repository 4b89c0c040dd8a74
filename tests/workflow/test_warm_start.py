"""Programs that start warm do what those that start cold do."""

import os
import signal
import subprocess
import time

import pytest

from .warm_start import SUPPORTED, WARM

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="no pidfd here: all programs start cold")

SCRIPT = """
import os, sys
import equimorph
print(sys.argv[1:], os.getcwd(), os.environ["ASKED"], equimorph.__file__, __name__)
print(open(sys.argv[1]).read(), sys.stdin.read(), file=sys.stderr)
sys.exit(int(sys.argv[2]) if sys.argv[2].isdigit() else sys.argv[2])
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "workflow/equimorph").mkdir(parents=True)
    (tmp_path / "workflow/equimorph/__init__.py").write_text("")
    return tmp_path


def ran(folder, path, command):
    environment = {**os.environ, "PATH": path, "ASKED": "for", "PYTHONPATH": "workflow"}
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        input="typed",
    )


@pytest.mark.parametrize(
    "command",
    [
        "python script.py <(echo substituted) 0",
        "python script.py <(echo substituted) 7",
        "python script.py <(echo substituted) words",
        "python -c 'print(1)'",
        "python none.py",
    ],
)
def test_a_warm_program_does_what_a_cold_one_does(folder, command):
    warm, cold = (ran(folder, path, command) for path in paths())
    assert (warm.returncode, warm.stdout) == (cold.returncode, cold.stdout)
    assert warm.stderr == cold.stderr


def test_an_error_has_its_traceback(folder):
    (folder / "script.py").write_text("raise ValueError('this')")
    done = ran(folder, paths()[0], "python script.py")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: this\n") and "script.py" in done.stderr


def test_what_is_killed_takes_its_fork_along(folder):
    (folder / "script.py").write_text(
        "import os, time\nopen('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(60)"
    )
    launcher = subprocess.Popen(["python", "script.py"], cwd=folder)
    place = folder / "pid"
    until(lambda: place.exists() and place.read_text().endswith("\n"))
    launcher.send_signal(signal.SIGKILL)
    assert launcher.wait() == -signal.SIGKILL
    until(lambda: not os.path.exists(f"/proc/{int(place.read_text())}"))


def paths():
    """Return PATH with the warm programs and without."""
    folders = os.environ["PATH"].split(os.pathsep)
    cold = [one for one in folders if one != os.environ[WARM]]
    return os.environ["PATH"], os.pathsep.join(cold)


def until(happens):
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)

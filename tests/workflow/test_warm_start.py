"""Programs that start warm do what those that start cold do."""

import signal
import subprocess
import time

import pytest

from .conftest import Project
from .warm_start import supported

pytestmark = pytest.mark.skipif(not supported(), reason="no pidfd here: all programs start cold")

SCRIPT = """
import os, sys
import equimorph
print(sys.argv[1:], os.getcwd(), os.environ["ASKED"], equimorph.__file__, __name__)
print(open(sys.argv[1]).read(), sys.stdin.read(), file=sys.stderr)
sys.exit(int(sys.argv[2]) if sys.argv[2].isdigit() else sys.argv[2])
"""


@pytest.fixture
def project(tmp_path) -> Project:
    """A folder with a script and an equimorph of its own."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "workflow/equimorph").mkdir(parents=True)
    (tmp_path / "workflow/equimorph/__init__.py").write_text("")
    project = Project(tmp_path)
    project.environment |= {"ASKED": "for", "PYTHONPATH": "workflow"}
    return project


def ran(project, command):
    return subprocess.run(
        ["bash", "-c", command],
        cwd=project.folder,
        env=project.environment,
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
        "python -c 'import sys; print(sys.executable, sys.prefix)'",
        "snakemake --version",
    ],
)
def test_a_warm_program_does_what_a_cold_one_does(project, command):
    warm, cold = ran(project, command), ran(project.cold(), command)
    assert (warm.returncode, warm.stdout) == (cold.returncode, cold.stdout)
    assert warm.stderr == cold.stderr


def test_libraries_are_there_and_equimorph_is_that_of_the_moment(project):
    (project.folder / "script.py").write_text(
        "import sys; print('torch' in sys.modules); import equimorph; print(equimorph.EDIT)"
    )
    for edit in (1, 22):  # of another size, which a .pyc is judged by
        (project.folder / "workflow/equimorph/__init__.py").write_text(f"EDIT = {edit}")
        assert ran(project, "python script.py").stdout == f"True\n{edit}\n"
    assert ran(project.cold(), "python script.py").stdout == "False\n22\n"


def test_a_signal_that_ends_the_fork_ends_the_launcher(project):
    (project.folder / "script.py").write_text("import os; os.kill(os.getpid(), 15)")
    done = subprocess.run(
        ["python", "script.py"], cwd=project.folder, env=project.environment, check=False
    )
    assert done.returncode == -signal.SIGTERM


def test_an_error_has_its_traceback(project):
    (project.folder / "script.py").write_text("raise ValueError('this')")
    done = ran(project, "python script.py")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: this\n") and "script.py" in done.stderr


def test_what_is_killed_takes_its_fork_along(project):
    (project.folder / "script.py").write_text(
        "import os, subprocess\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}\\n')\n"
        "child.wait()"
    )
    launcher = subprocess.Popen(
        ["python", "script.py"], cwd=project.folder, env=project.environment
    )
    try:
        place = project.folder / "pids"
        until(lambda: place.exists() and place.read_text().endswith("\n"))
    finally:
        launcher.kill()
    assert launcher.wait() == -signal.SIGKILL
    for pid in place.read_text().split():
        until(lambda pid=pid: not running(pid))


def running(pid):
    """Return whether a process is there and has not ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(happens):
    deadline = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)

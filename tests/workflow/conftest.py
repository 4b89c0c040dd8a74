"""A small copy of the project in a temporary folder, and commands that run in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from filelock import FileLock

from equimorph.study.yaml_files import merged

from . import stand_in_conda
from .warm_start import WARM, supported, warm_programs

PARTS = ("Snakefile", "config.yaml", "dvc.yaml", ".dvcignore", ".gitignore", ".gitattributes")
PARTS += ("data/sources", "envs", "profiles")

# Two models, two seeds, one epoch or two: every rule runs, nothing is learnt.
SMALL = {
    "data": {
        "simulated": {"per_class": 12, "size": 33},
        "split": {"train": 0.6, "validation": 0.2},
    },
    "network": {
        "input_size": 33,
        "fields": [2, 4, 4],
        "pool_after": [2, 3],
        "match": "fields",
    },
    "train": {
        "models": ["CNN", "C2", "D4"],
        "seeds": [0, 1],
        "epochs": 2,
        "patience": 2,
        "batch_size": 16,
    },
    "evaluate": {"conditions": ["clean", "rotated", "noise-50"], "bootstrap": 100},
    "analyses": {"run": []},  # test_analyses.py runs them
}

IDENTITY = {
    "DVC_NO_ANALYTICS": "1",
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "a"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@b.c"),
}


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[None]:
    """Start what projects' programs are forks of, where this system can."""
    if not supported():
        yield
        return
    with (
        TemporaryDirectory() as place,
        warm_programs(Path(place, "bin")) as programs,
        pytest.MonkeyPatch.context() as variables,
    ):
        variables.setenv(WARM, str(programs))
        yield


class Project:
    """A copy of the project, and what one types in it."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None):
        self.folder = folder
        programs = (os.environ.get(WARM), str(Path(sys.executable).parent), os.environ["PATH"])
        path = os.pathsep.join(filter(None, programs))
        self.environment = environment or {**os.environ, "PATH": path, "MPLBACKEND": "Agg"}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run a command; its output, both streams together, is `stdout`."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done

    def cold(self) -> "Project":
        """Return the same project, where programs start by themselves and not as forks."""
        folders = self.environment["PATH"].split(os.pathsep)
        kept = os.pathsep.join(one for one in folders if one != os.environ.get(WARM))
        return Project(self.folder, {**self.environment, "PATH": kept})

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run snakemake with two cores."""
        return self.run("snakemake", "--cores", "2", *arguments, check=check)

    def config(self) -> dict:
        """Return what config.yaml holds."""
        return yaml.safe_load((self.folder / "config.yaml").read_text())

    def edit_config(self, changes: dict) -> None:
        """Merge changes into config.yaml."""
        config = merged(self.config(), changes)
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def planned(self, *arguments: str) -> dict[str, int]:
        """Return what a dry run would do: the number of jobs by rule."""
        text = self.snakemake(*arguments, "-n").stdout
        if "Nothing to be done" in text:
            return {}
        lines = text.split("Job stats:", 1)[1].splitlines()
        table = {}
        for line in lines[3:]:
            fields = line.split()
            if len(fields) != 2 or fields[0] == "total":
                break
            table[fields[0]] = int(fields[1])
        return table


def copy_project(root: Path, folder: Path) -> Project:
    """Copy the project's own files, no data and no results, and shrink its config."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = root / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy2(source, folder / part)
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(root / "workflow", folder / "workflow", ignore=ignore)
    project = Project(folder)
    project.edit_config(SMALL)
    return project


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """Return a folder that is built once in a run of the tests, for all its workers.

    Args:
        factory: pytest's own.
        name: of the folder.
        build: makes what lies in the folder; called by the first worker that asks, while the others
            wait.
    """
    place = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each has a folder of its own in the run's
        place = place.parent
    folder, done = place / name, place / f"{name}.done"
    with FileLock(place / f"{name}.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker whose attempt failed
            folder.mkdir()
            build(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory) -> Project:
    """A project whose small study has run, cold; tests must leave it as it is."""
    name = "a folder für 銀河"

    def build(folder: Path) -> None:
        copy_project(root, folder / name).cold().snakemake()

    return Project(built_once(tmp_path_factory, "finished", build) / name)


@pytest.fixture(scope="session")
def published(root, finished, tmp_path_factory) -> Project:
    """The finished study, committed to git and pushed to a store inside the repository.

    Tests must leave it as it is, too: they clone it.
    """
    environment = {**stand_in_conda.off_path(finished.environment), **IDENTITY}

    def build(folder: Path) -> None:
        shutil.copytree(finished.folder, folder / "repository")
        project = Project(folder / "repository", environment)
        project.run("git", "init", "-q", "-b", "main")
        project.run("dvc", "init", "-q")
        shutil.copy2(root / ".dvc/config", project.folder / ".dvc/config")
        done = project.run("dvc", "repro")
        assert "Nothing to be done" in done.stdout
        project.run("dvc", "push", "-q")
        project.run("git", "add", "-A")
        project.run("git", "commit", "-qm", "published")

    folder = built_once(tmp_path_factory, "published", build)
    return Project(folder / "repository", environment)


def clone_of(project: Project, folder: Path, *options: str) -> Project:
    """Return a clone that has pulled nothing; the options are git's."""
    project.run("git", *options, "clone", "-q", str(project.folder), str(folder))
    return Project(folder, project.environment)


@pytest.fixture
def fresh(root, tmp_path) -> Project:
    """A project that has not run."""
    return copy_project(root, tmp_path / "fresh")

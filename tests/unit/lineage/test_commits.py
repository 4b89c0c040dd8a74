"""The commit whose files a job read is found by their contents, whatever happened since."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from equimorph.lineage.commits import Commits

ODD = "ünd *.py"  # letters of other languages, a blank, and what a shell would expand


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", folder, *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, **contents: str) -> str:
    """Commit files' contents, by path; return the commit."""
    for path, text in contents.items():
        (folder / path).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "a")
    return git(folder, "rev-parse", "HEAD")


def digests(**contents: str) -> dict[str, str]:
    return {path: hashlib.sha256(text.encode()).hexdigest() for path, text in contents.items()}


@pytest.fixture
def checkout(tmp_path) -> Path:
    git(tmp_path, "init", "-q")
    return tmp_path


def test_the_newest_commit_with_these_contents(checkout):
    first = commit(checkout, **{"a.py": "1", ODD: "x"})
    second = commit(checkout, **{"a.py": "2"})
    commit(checkout, **{"other.py": "not read by the job"})
    found = Commits(checkout)
    assert found.of(digests(**{"a.py": "1", ODD: "x"})) == {"commit": first, "dirty": False}
    assert found.of(digests(**{"a.py": "2", ODD: "x"})) == {"commit": second, "dirty": False}


def test_contents_of_no_commit_were_edited(checkout):
    commit(checkout, **{"a.py": "1", "b.py": "1"})
    commit(checkout, **{"a.py": "2", "b.py": "2"})
    edited = {"commit": None, "dirty": True}
    assert Commits(checkout).of(digests(**{"a.py": "3"})) == edited
    assert Commits(checkout).of(digests(**{"a.py": "1", "b.py": "2"})) == edited  # never together
    assert Commits(checkout).of(digests(**{"absent.py": "1"})) == edited


def test_outside_of_a_checkout_nobody_knows(checkout, tmp_path_factory):
    unknown = {"commit": None, "dirty": None}
    assert Commits(tmp_path_factory.mktemp("none")).of(digests(**{"a.py": "1"})) == unknown
    commit(checkout, **{"a.py": "1"})
    assert Commits(checkout).of({}) == unknown
    inner = checkout / "inner"
    inner.mkdir()
    assert Commits(inner).of(digests(**{"a.py": "1"})) == unknown

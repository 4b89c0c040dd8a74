"""The commit in git whose files are those that a job read."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any


class Commits:
    """Finds the commit whose files have the recorded digests."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._sha256: dict[str, str] = {}  # by the object's name in git

    def of(self, sources: dict[str, str]) -> dict[str, Any]:
        """Find the newest commit, HEAD or before, with exactly these contents of the files.

        Args:
            sources: SHA-256 of each file, by path.

        Returns:
            `commit`, and `dirty`: True where no commit has these contents, since the files were
            edited. Both are None outside of a checkout with git.
        """
        try:
            # A folder inside another project's checkout is not a checkout itself.
            top = self._git("rev-parse", "--show-toplevel")
            if not sources or Path(top) != self._folder.resolve():
                return {"commit": None, "dirty": None}
            commits = self._git("log", "--format=%H", "HEAD", "--", *sources).split()
        except (OSError, subprocess.CalledProcessError):
            return {"commit": None, "dirty": None}
        commit = next((commit for commit in commits if self._has(commit, sources)), None)
        return {"commit": commit, "dirty": commit is None}

    def _has(self, commit: str, sources: dict[str, str]) -> bool:
        listed = self._git("ls-tree", "-r", "-z", commit, "--", *sources)
        objects = {}
        for entry in filter(None, listed.split("\0")):
            facts, path = entry.split("\t", 1)
            objects[path] = facts.split()[2]
        return objects.keys() == sources.keys() and all(
            self._digest(objects[path]) == sha256 for path, sha256 in sources.items()
        )

    def _digest(self, name: str) -> str:
        if name not in self._sha256:
            content = self._run("cat-file", "blob", name)
            self._sha256[name] = hashlib.sha256(content).hexdigest()
        return self._sha256[name]

    def _git(self, *arguments: str) -> str:
        return os.fsdecode(self._run(*arguments)).strip()

    def _run(self, *arguments: str) -> bytes:
        command = ["git", "--literal-pathspecs", "-C", str(self._folder), *arguments]
        return subprocess.run(command, capture_output=True, check=True).stdout

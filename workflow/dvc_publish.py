"""Refresh the published results: `python workflow/dvc_publish.py`, or `make publish`.

Runs what has changed, pushes the outputs to the store inside the repository, and removes from the
store what is no longer published: a clone downloads the whole store, and git keeps every version.
Published is what dvc.lock names, and each further study that has a results/<study>.dvc.
"""

import json
import subprocess
import sys
from pathlib import Path

import yaml

REMOTE = "published"
STORE = Path(".dvc/store")
LARGEST = 20 * 2**20  # bytes of the whole store


def needed(root: Path, store: Path) -> set[Path]:
    """Return the files of the store that the published outputs of a repository consist of.

    Raises:
        SystemExit: the store lacks the listing of a folder.
    """
    stages = [*yaml.safe_load((root / "dvc.lock").read_text())["stages"].values()]
    stages += [yaml.safe_load(path.read_text()) for path in sorted(root.glob("results/*.dvc"))]
    files = set()
    for out in [out for stage in stages for out in stage.get("outs", [])]:
        listing = _place(store, out["md5"])
        files.add(listing)
        if listing.suffix == ".dir":
            if not listing.exists():
                sys.exit(f"error: {store} lacks {out['path']}: run `dvc push -r {REMOTE}`.")
            files |= {_place(store, entry["md5"]) for entry in json.loads(listing.read_text())}
    return files


def prune(store: Path, keep: set[Path]) -> int:
    """Remove all files of the store but those of `keep`; return how many were removed."""
    stale = [path for path in store.rglob("*") if path.is_file() and path not in keep]
    for path in stale:
        path.unlink()
    return len(stale)


def size(store: Path) -> int:
    """Return the bytes that a store holds."""
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def _place(store: Path, md5: str) -> Path:
    return store / "files/md5" / md5[:2] / md5[2:]


def main() -> None:
    """Run, push, prune, and check the size."""
    if sys.argv[1:]:
        sys.exit(f"error: {' '.join(sys.argv[1:])}: this takes no arguments.")
    for arguments in (["repro"], ["push", "-r", REMOTE]):
        done = subprocess.run([sys.executable, "-m", "dvc", *arguments])
        if done.returncode:
            sys.exit(done.returncode)
    removed = prune(STORE, needed(Path(), STORE))
    mebibytes = size(STORE) / 2**20
    print(f"{STORE}: {mebibytes:.2f} MiB; {removed} files of earlier results removed")
    if size(STORE) > LARGEST:
        sys.exit(
            f"error: {STORE} holds more than {LARGEST / 2**20:.0f} MiB, which every clone "
            "would take. Publish a smaller study, or use a remote elsewhere "
            "(docs/sharing.md)."
        )
    print(f"Now commit: git add dvc.lock results {STORE} && git commit")


if __name__ == "__main__":
    main()

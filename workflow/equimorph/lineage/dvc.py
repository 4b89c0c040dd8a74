"""DVC's listing of the published files: it vouches for those that no later job has read."""

import hashlib
from pathlib import Path

from equimorph.io import read_json
from equimorph.lineage.records import Project, record_place
from equimorph.study.yaml_files import read_yaml

# Where the objects that DVC knows lie: its cache, and the store inside the repository.
OBJECTS = (".dvc/cache/files/md5", ".dvc/store/files/md5")


def listed_by_dvc(project: Project) -> dict[str, str]:
    """Return the MD5 of the files that dvc.lock stands for.

    Only of those whose record is the listed one, too: others were made anew since.
    """
    lock = project.folder / "dvc.lock"
    if not lock.is_file():
        return {}
    found: dict[str, str] = {}
    for stage in read_yaml(lock).get("stages", {}).values():
        for out in stage.get("outs", []):
            found |= _listing(project.folder, out["path"], out.get("md5", ""))
    return {
        path: found[path]
        for path in sorted(project.records.keys() & found.keys())
        if _record_md5(project.folder, path) == found.get(record_place(path))
    }


def _listing(folder: Path, out: str, md5: str) -> dict[str, str]:
    """Return the MD5 by path of the files of one DVC output, as far as DVC's objects are here."""
    if not md5.endswith(".dir"):
        return {}
    files = [folder / place / md5[:2] / md5[2:] for place in OBJECTS]
    file = next((file for file in files if file.is_file()), None)
    return {f"{out}/{e['relpath']}": e["md5"] for e in read_json(file)} if file else {}


def _record_md5(folder: Path, path: str) -> str | None:
    file = folder / record_place(path)
    return md5_of(file) if file.is_file() else None


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in lower-case hexadecimal."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()

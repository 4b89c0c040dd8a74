"""Where classifiers lie: in the results of a study, in the installed package, anywhere else."""

from pathlib import Path

from equimorph.classify.companion import MODEL
from equimorph.errors import InputError

# Of a checkout; `dvc pull` fills it.
RESULTS = Path(__file__).resolve().parents[3] / "results"
# Of an installed package; setup.py puts there what it finds in the results.
PACKAGED = Path(__file__).resolve().parent / "published"
FOLDER = "classifier"  # below a study's results
PREFERRED = ("galaxy10", "galaxy10-48px", "demo")  # trained on more, or on more real galaxies


def shipped() -> dict[str, Path]:
    """Return the folders of the classifiers that are there, by the name of their study."""
    found = {path.parent.name: path.parent for path in sorted(PACKAGED.glob(f"*/{MODEL}"))}
    studies = sorted(RESULTS.glob(f"*/{FOLDER}/{MODEL}"))
    return found | {path.parents[1].name: path.parent for path in studies}


def find(name_or_path: str | Path | None = None) -> Path:
    """Return the folder of a classifier, or its checkpoint.

    Args:
        name_or_path: name of a study, path of a folder or of a checkpoint, None for the first of
            `PREFERRED` that is there.

    Raises:
        InputError: there is none; the message lists those that there are.
    """
    there = shipped()
    if name_or_path is None:
        best = [name for name in PREFERRED if name in there] or [*there]
        if not best:
            raise InputError(
                "there is no classifier here: `dvc pull` brings the published one, `make results` "
                "trains one; or name a checkpoint."
            )
        return there[best[0]]
    if isinstance(name_or_path, str) and name_or_path in there:
        return there[name_or_path]
    path = Path(name_or_path)
    for place in (path, path / FOLDER):
        if (place / MODEL).is_file():
            return place
    if path.is_file():
        return path
    names = ", ".join(there) or "none"
    raise InputError(
        f"{name_or_path}: no classifier of this name and no such file; there are {names}. Allowed "
        f"are also a folder with {MODEL}, and a checkpoint's path."
    )

"""What a trace found, as a text."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

LISTED = 3


def as_text(found: dict[str, Any]) -> str:
    """Return what `trace` found as a text: jobs from the last to the first, then the roots."""
    return "\n".join(_lines(found))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield from _files("Result", found["targets"], 64)
    for job in found["jobs"]:
        number = f"{job['jobs']} job{'s' if job['jobs'] > 1 else ''}"
        yield ""
        yield f"{job['rule']}: {number}, the last ended {job['ended']}"
        scripts = [path for path in job["sources"] if path.startswith("workflow/scripts/")]
        yield f"  script    {', '.join(scripts) or 'none'}"
        commit = {
            None: "nobody can tell of which commit",
            True: "edited: in no commit up to HEAD",
            False: f"as in commit {job['commit']}",
        }[job["dirty"]]
        sources = f"{len(job['sources'])} files, digest {job['sources_sha256'][:12]}"
        yield f"  sources   {sources}, {commit}"
        yield f"  config    digest {job['config_sha256'][:12]}"
        yield from _files("  made     ", job["made"])
        if job["from"]:
            yield from _files("  from     ", job["from"], missing="digest not recorded")
    yield ""
    for title, key in (("Raw file", "raw"), ("Split", "split")):
        yield from (f"{title} {path}: sha256 {sha256}" for path, sha256 in found[key].items())
    yield from _stamp_lines(found["stamps"])
    yield ""
    yield f"{found['checked']} digests checked, {len(found['problems'])} differ."


def _files(
    title: str, files: dict[str, str | None], digits: int = 12, missing: str = "absent"
) -> Iterator[str]:
    """Yield a line for each of the first files, and one for the others."""
    blank = " " * len(title)
    for number, (path, sha256) in enumerate(files.items()):
        if number == LISTED:
            yield f"{blank} and {len(files) - LISTED} more"
            return
        known = f"sha256 {sha256[:digits]}" if sha256 else missing
        yield f"{blank if number else title} {path}, {known}"


def _stamp_lines(stamps: list[dict[str, Any]]) -> Iterator[str]:
    """Yield where files were made, as far as they say, one line per place."""
    places: dict[str, list[str]] = defaultdict(list)
    for stamp in stamps:
        versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
        hardware = ", ".join(f"{key} {value}" for key, value in stamp["hardware"].items())
        dirty = {True: ", with uncommitted changes", False: "", None: ""}[stamp["dirty"]]
        text = f"  commit    {stamp['commit'] or 'unknown'}{dirty}\n"
        places[f"{text}  versions  {versions}\n  hardware  {hardware}"].append(stamp["path"])
    for place, paths in places.items():
        yield f"Recorded by {paths[0]}" + (f" and {len(paths) - 1} more" if paths[1:] else "")
        yield place

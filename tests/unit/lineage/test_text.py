"""What a trace found, as a text: a few files of each job, the others as a number."""

from equimorph.lineage.text import LISTED, as_text

STAMP = {
    "commit": "c" * 40,
    "dirty": True,
    "versions": {"python": "3.11", "torch": "2"},
    "hardware": {"cpu": "EPYC", "threads": 1},
}


def job(**changes):
    made = {f"predictions/{number}.npz": f"{number:064}" for number in range(LISTED + 2)}
    return {
        "rule": "predict",
        "jobs": 5,
        "ended": "2026-01-01T00:00:00+00:00",
        "sources": {"workflow/scripts/predict.py": "a" * 64, "workflow/equimorph/io.py": "b" * 64},
        "sources_sha256": "d" * 64,
        "config_sha256": "e" * 64,
        "commit": "f" * 40,
        "dirty": False,
        "made": made,
        "from": {"model.safetensors": None},
        **changes,
    }


def text(*jobs):
    return as_text(
        {
            "targets": {"report.html": "1" * 64},
            "jobs": jobs,
            "raw": {"raw.h5": "2" * 64},
            "split": {},
            "stamps": [{**STAMP, "path": name} for name in ("a.json", "b.json")],
            "checked": 9,
            "problems": ["one"],
        }
    )


def test_every_line_of_a_job():
    lines = text(job()).splitlines()
    assert lines[:6] == [
        f"Result report.html, sha256 {'1' * 64}",
        "",
        "predict: 5 jobs, the last ended 2026-01-01T00:00:00+00:00",
        "  script    workflow/scripts/predict.py",
        f"  sources   2 files, digest {'d' * 12}, as in commit {'f' * 40}",
        f"  config    digest {'e' * 12}",
    ]
    assert lines[6] == f"  made      predictions/0.npz, sha256 {'0' * 12}"
    assert lines[6 + LISTED] == "            and 2 more"
    assert lines[7 + LISTED] == "  from      model.safetensors, digest not recorded"
    assert lines[-1] == "9 digests checked, 1 differ."


def test_roots_and_places():
    said = text()
    assert f"Raw file raw.h5: sha256 {'2' * 64}" in said and "Split" not in said
    assert said.count("Recorded by") == 1 and "Recorded by a.json and 1 more" in said
    assert f"  commit    {'c' * 40}, with uncommitted changes\n" in said
    assert "  versions  python 3.11, torch 2\n  hardware  cpu EPYC, threads 1\n" in said


def test_what_is_known_of_the_commit():
    assert "edited: in no commit up to HEAD" in text(job(dirty=True, commit=None))
    assert "nobody can tell of which commit" in text(job(dirty=None, commit=None))
    alone = text(job(jobs=1, sources={}, made={"a": None}, **{"from": {}}))
    assert "predict: 1 job, the last" in alone and "  script    none" in alone
    assert "  made      a, absent" in alone and "  from " not in alone

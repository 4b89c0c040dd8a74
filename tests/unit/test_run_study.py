"""`make results` says in a sentence which config it cannot read; wrong calls of its neighbours."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("overlay", "content", "message"),
    [
        ("workflow/presets/imgaes.yaml", None, "no such preset; allowed are cbfocal-ecnn, cnn-vs"),
        ("nowhere.yaml", None, "nowhere.yaml: cannot be read (No such file or directory)."),
        (
            "overlay.yaml",
            "study: M\xfcller\n".encode("latin-1"),
            "line 1: not in UTF-8 (byte 0xfc)",
        ),
        ("overlay.yaml", b"study: 2026-13-45\n", "not a YAML file (month must be in 1..12)."),
    ],
)
def test_an_overlay_that_cannot_be_read(root, tmp_path, overlay, content, message):
    (tmp_path / "config.yaml").write_text("study: demo\n")
    (tmp_path / "workflow").symlink_to(root / "workflow")
    if content is not None:
        (tmp_path / overlay).write_bytes(content)
    command = [sys.executable, "workflow/run_study.py", "--configfile", overlay, "--nolock"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"error: {overlay}") and done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        ("dvc_publish", ["--help"], "error: --help: this takes no arguments.\n"),
        ("dvc_stage", ["all"], "error: all: allowed are data, results.\n"),
        ("torchrun", [], "error: needed are a number of processes from 1 to 9999, and a script.\n"),
        ("torchrun", ["0", "x.py"], "error: needed are a number of processes from 1 to"),
    ],
)
def test_other_programs_say_what_they_take(root, tmp_path, program, arguments, message):
    """In an empty folder: publishing itself would take minutes."""
    done = subprocess.run(
        [sys.executable, root / f"workflow/{program}.py", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(message)

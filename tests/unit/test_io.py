"""Files are whole or absent; errors meant for the user end a script in one sentence."""

import hashlib
import os
import re

import numpy as np
import pytest

from equimorph.errors import InputError
from equimorph.io import atomic_path, read_json, run, sha256_of, write_json


def test_atomic_path_keeps_the_old_file_when_the_block_fails(tmp_path):
    target = tmp_path / "folder" / "file.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("old")
    with pytest.raises(KeyError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["a pipe", "a folder"])
def test_only_files_are_replaced(tmp_path, make):
    """As root, a device too could be replaced."""
    make(tmp_path / "no file")
    with (
        pytest.raises(InputError, match="no file: is no file; allowed is a name for one"),
        atomic_path(tmp_path / "no file") as temporary,
    ):
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["no file"]


def test_what_a_killed_process_has_left_is_removed_by_the_next(tmp_path):
    others = {".other.txt.1.tmp", "file.txt.1.tmp", ".file.txt.orig"}
    for name in {".file.txt.1.tmp", ".file.txt.99999.tmp", *others}:
        (tmp_path / name).write_text("half")
    with atomic_path(tmp_path / "file.txt") as temporary:
        assert {path.name for path in tmp_path.iterdir()} == others
        temporary.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"file.txt", *others}


def test_json_round_trip_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, None]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_compact_json_says_the_same_without_blanks(tmp_path):
    value = {"x": [0.1, None], "y": {"é": "a b"}}
    write_json(tmp_path / "a.json", value, compact=True)
    assert read_json(tmp_path / "a.json") == value
    assert len((tmp_path / "a.json").read_text().split()) == 2  # one blank, in a string


def test_damaged_json_is_named(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="bad.json: not a JSON file"):
        read_json(tmp_path / "bad.json")


def test_sha256_is_that_of_the_content(tmp_path):
    (tmp_path / "f").write_bytes(b"galaxy" * 1000)
    assert sha256_of(tmp_path / "f") == hashlib.sha256(b"galaxy" * 1000).hexdigest()


def test_run_prints_one_sentence_and_exits_with_1(capsys):
    def fail():
        raise InputError("key: allowed is a.")

    with pytest.raises(SystemExit) as exit_:
        run(fail)
    assert exit_.value.code == 1
    assert capsys.readouterr().err == "error: key: allowed is a.\n"


@pytest.mark.parametrize("name", ["absent/file", "", "file/below"])
def test_files_that_cannot_be_opened_end_a_script_in_one_sentence(tmp_path, name, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_:
        run(lambda: open(tmp_path / name).close())
    assert exit_.value.code == 1
    assert re.fullmatch(rf"error: {tmp_path / name}: .*\.\n", capsys.readouterr().err)


def test_too_little_memory_ends_a_script_in_one_sentence(capsys):
    with pytest.raises(SystemExit) as exit_:
        run(lambda: np.empty(2**60, np.uint8))
    assert exit_.value.code == 1
    assert capsys.readouterr().err.startswith("error: memory is not enough (Unable to allocate")


def test_ctrl_c_is_one_line_and_the_exit_status_of_a_shell(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_:
        run(interrupted)
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "error: interrupted.\n"

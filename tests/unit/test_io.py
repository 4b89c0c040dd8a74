"""Files are whole or absent; errors meant for the user end a script in one sentence."""

import hashlib

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


def test_json_round_trip_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, None]}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


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


def test_ctrl_c_is_one_line_and_the_exit_status_of_a_shell(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_:
        run(interrupted)
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "error: interrupted.\n"

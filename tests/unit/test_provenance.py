"""Where a result comes from."""

import subprocess

from equimorph.provenance import commit, digest, hardware, versions


def test_commit_and_dirty_state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit() == {"commit": None, "dirty": None}
    for name in ("file", "dvc.lock"):
        (tmp_path / name).write_text("a")
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)
    clean = commit()
    assert len(clean["commit"]) == 40 and clean["dirty"] is False
    (tmp_path / "dvc.lock").write_text("changed by dvc repro")
    assert commit() == clean
    (tmp_path / "file").write_text("b")
    assert commit() == {**clean, "dirty": True}


def test_a_copy_inside_another_repository_has_no_commit(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    empty = [*who, "commit", "-q", "--allow-empty", "-m", "the other repository's"]
    subprocess.run(["git", "-C", tmp_path, *empty], check=True)
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    assert commit() == {"commit": None, "dirty": None}


def test_versions_name_what_results_depend_on():
    assert {"python", "torch", "escnn", "numpy"} <= versions().keys()


def test_hardware_names_the_processor():
    found = hardware("cpu", 2)
    assert found["cpu"] and found["cores"] >= 1 and found["threads"] == 2


def test_digest_sees_values_and_files_but_not_the_order_of_keys(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    first = digest({"a": 1, "b": 2}, [tmp_path / "a.py"])
    assert digest({"b": 2, "a": 1}, [tmp_path / "a.py"]) == first
    assert digest({"a": 1, "b": 3}, [tmp_path / "a.py"]) != first
    (tmp_path / "a.py").write_text("x = 2")
    assert digest({"a": 1, "b": 2}, [tmp_path / "a.py"]) != first

"""YAML files: a key stands once, and what is no YAML is named."""

import pytest

from equimorph.errors import InputError
from equimorph.study.yaml_files import read_yaml


def test_a_key_given_twice_is_refused(tmp_path):
    (tmp_path / "twice.yaml").write_text("models:\n  A: {architecture: cnn}\n  A: {width: 2}\n")
    with pytest.raises(InputError, match="twice.yaml, line 3: the key 'A' stands twice"):
        read_yaml(tmp_path / "twice.yaml")


def test_yaml_that_is_none(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    with pytest.raises(InputError, match="bad.yaml: not a YAML file"):
        read_yaml(tmp_path / "bad.yaml")


def test_a_merge_key_is_no_key_of_its_own(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n"
    (tmp_path / "merge.yaml").write_text(text)
    assert read_yaml(tmp_path / "merge.yaml")["b"] == {"x": 1, "y": 3}

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "a: 1\nb: M\xfcller\n".encode("latin-1"),
            "bad.yaml, line 2: not in UTF-8 .byte 0xfc.; save",
        ),
        (b"a: 2026-13-45\n", "bad.yaml: not a YAML file .month must be in 1..12."),
        (b"a: \x00\n", "bad.yaml: not a YAML file"),
        (b"a: &a [*a]\n", "bad.yaml: not a YAML file"),
        (b"a: " + 5000 * b"[", "bad.yaml: not a YAML file"),
        (b"? [1, 2]\n: 3\n", r"bad.yaml, line 1: \[1, 2\] is no key; allowed are texts"),
        (b"a: " + 5000 * b"9", "bad.yaml: not a YAML file .Exceeds the limit"),
    ],
)
def test_what_no_reader_understands_is_named(tmp_path, content, message):
    (tmp_path / "bad.yaml").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_yaml(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "windows.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read_yaml(tmp_path / "windows.yaml") == {"a": 1}

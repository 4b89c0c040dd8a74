"""Where the cache lies."""

from equimorph.steerable.cache_folder import cache_folder


def test_the_cache_lies_in_the_home_folder_unless_named(monkeypatch, tmp_path):
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path))
    assert cache_folder("weights") == tmp_path / "weights"
    monkeypatch.delenv("EQUIMORPH_CACHE")
    monkeypatch.setenv("HOME", "/home/hubble")
    assert str(cache_folder("bases")) == "/home/hubble/.cache/equimorph/bases"

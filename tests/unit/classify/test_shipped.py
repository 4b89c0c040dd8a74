"""Classifiers by name: of studies in a checkout, of an installed package; and by path."""

import pytest

from equimorph.classify import shipped
from equimorph.errors import InputError


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A checkout with the classifiers of two studies, and a package with one."""
    for place in ("results/demo/classifier", "results/mine/classifier", "packaged/other"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "model.safetensors").touch()
    monkeypatch.setattr(shipped, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(shipped, "PACKAGED", tmp_path / "packaged")
    return tmp_path


def test_names_are_those_of_studies(places):
    assert [*shipped.shipped()] == ["other", "demo", "mine"]
    assert shipped.find("mine") == places / "results/mine/classifier"
    assert shipped.find("other") == places / "packaged/other"


def test_without_a_name_it_is_the_best_that_there_is(places):
    assert shipped.find() == places / "results/demo/classifier"
    (places / "packaged/galaxy10-48px").mkdir()
    (places / "packaged/galaxy10-48px/model.safetensors").touch()
    assert shipped.find() == places / "packaged/galaxy10-48px"


def test_a_studys_folder_its_classifiers_and_a_checkpoint_are_paths(places):
    study = places / "results/mine"
    assert shipped.find(study) == shipped.find(study / "classifier") == study / "classifier"
    checkpoint = study / "classifier/model.safetensors"
    assert shipped.find(str(checkpoint)) == checkpoint


def test_what_is_not_there_is_answered_by_what_is(places, monkeypatch):
    with pytest.raises(InputError, match=r"D4: no classifier of this name .* other, demo, mine\."):
        shipped.find("D4")
    monkeypatch.setattr(shipped, "RESULTS", places)
    monkeypatch.setattr(shipped, "PACKAGED", places)
    with pytest.raises(InputError, match="there is no classifier here: `dvc pull` brings"):
        shipped.find()

"""Where a person's own data are found, and what is said where they are not."""

import pytest

from equimorph.data.places import PLACES, check_linked, own_data
from equimorph.errors import InputError


@pytest.fixture(params=PLACES)
def data(request, tmp_path, monkeypatch):
    """The part `data` of a config that names no place, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/sources").mkdir(parents=True)
    for place in PLACES.values():
        monkeypatch.delenv(place.variable, raising=False)
    return {"source": request.param, request.param: {PLACES[request.param].key: None}}


def test_the_config_counts_before_the_environment_and_that_before_the_link(data, monkeypatch):
    source = data["source"]
    place = PLACES[source]
    place.linked.touch()
    assert own_data(data) == place.linked
    monkeypatch.setenv(place.variable, "/by/environment")
    assert str(own_data(data)) == "/by/environment"
    data[source][place.key] = "/by/config"
    assert str(own_data(data)) == "/by/config"


def test_without_a_place_the_message_names_all_three(data):
    source = data["source"]
    with pytest.raises(InputError) as caught:
        own_data(data)
    for word in (f"data.{source}.{PLACES[source].key}", PLACES[source].variable, "data/sources/"):
        assert word in str(caught.value)


def test_dvc_must_watch_the_same(data, tmp_path):
    source = data["source"]
    mine = tmp_path / "mine"
    mine.touch()
    with pytest.raises(InputError, match=f"ln -sfn .*mine data/sources/{source}"):
        check_linked(source, mine)
    PLACES[source].linked.symlink_to(mine)
    check_linked(source, mine)

"""`equimorph describe` tells what a network costs and which symmetry it has."""

import json

import pytest

from equimorph.app.cli import main
from equimorph.app.describe import as_table, describe
from equimorph.study.models import resolve
from equimorph.study.published_models import PUBLISHED, published_size


def described(capsys, *arguments):
    main(["describe", *arguments])
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "rotated", "reflected"),
    [("D4", True, True), ("C4", True, False), ("CNN", False, False)],
)
def test_errors_tell_the_symmetry(name, rotated, reflected, network_defaults):
    said = describe(resolve(name, {}, network_defaults), 10)
    assert (said["error_90"] <= 1e-4) == rotated
    assert (said["error_reflection"] <= 1e-4) == reflected
    assert said["error_45"] > 1e-2
    assert said["group_order"] == {"D4": 8, "C4": 4, "CNN": 1}[name]
    assert said["macs"] > said["parameters"] > 0
    assert said["memory_training"] > said["memory_inference"] > 0
    assert said["build_seconds"] > 0


def test_a_frozen_backbone_counts_its_head_and_fetches_nothing(
    network_defaults, monkeypatch, tmp_path
):
    monkeypatch.setenv("EQUIMORPH_CACHE", str(tmp_path))
    said = describe(resolve("Probe-ResNet18", {}, network_defaults), 10)
    assert said["parameters"] == 512 * 10 + 10
    assert not any(tmp_path.iterdir())


def test_wide_networks_of_large_groups_train_in_the_irrep_basis(network_defaults):
    said = {
        name: describe(resolve(name, {}, {**network_defaults, "fields": 11 * [width]}), 10)
        for name, width in (("D8", 24), ("C2", 12))
    }
    wide, narrow = (
        [method["training"] for method in said[name]["convolutions"].values()] for name in said
    )
    assert set(wide) == {"dense", "sparse"} and set(narrow) == {"dense"}
    shown = [line.split() for line in as_table(said).splitlines()[1:]]
    assert f"{wide.count('sparse')}/11" in shown[0] and "0/11" in shown[1]


def test_a_network_with_dropout_is_described_alike_every_time(network_defaults):
    first, second = (describe(resolve("CBFocal-ECNN", {}, network_defaults), 10) for _ in range(2))
    assert first | {"build_seconds": 0} == second | {"build_seconds": 0}


def test_json_and_table(capsys):
    said = json.loads(described(capsys, "ViT", "CNN-flatten", "--json"))
    assert said["ViT"]["parameters"] == 5_238_538 and said["ViT"]["input_size"] == 200
    assert said["CNN-flatten"]["parameters"] == 774_070  # as in arXiv:2311.01500
    table = as_table(said).splitlines()
    assert len(table) == 3 and len({len(line) for line in table}) == 1
    assert "5,238,538" in table[1]


def test_a_presets_sizes_and_models(capsys):
    said = json.loads(described(capsys, "D4", "--preset", "images", "--json"))
    assert said["D4"]["input_size"] == 65
    assert said["D4"]["macs"] == pytest.approx(22e6, rel=0.2)  # matched to the CNN's


def test_no_name_lists_all(capsys):
    names = described(capsys).split()
    assert {"C1", "D16", *PUBLISHED} <= set(names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Foo"], "model 'Foo': allowed are a group's name, such as C4"),
        (["C4", "--preset", "foo"], "--preset 'foo': allowed are cbfocal-ecnn, cnn-vs-vit"),
        (["C4", "--size", "64"], "input size 64: not exact"),
        (["ViT", "--size", "65"], "patch 25: must divide input_size 65"),
    ],
)
def test_what_cannot_be_described_is_said_in_a_sentence(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(["describe", *arguments])
    assert stopped.value.code == 1
    assert message in capsys.readouterr().err


# The four largest take five of seven minutes; tests/unit/test_e2wrn.py counts theirs.
QUICK = [name for name in PUBLISHED if not name.startswith("E2WRN28")]


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_every_name_can_be_described(name, network_defaults):
    if name == "Probe-ResNet26":
        pytest.importorskip("timm")
    fixed = {"input_size": published_size(name)} if name in ("CustomCNN", "ViT") else {}
    said = describe(resolve(name, {}, {**network_defaults, **fixed}), 10)
    assert said["macs"] > 0 and said["parameters"] > 0
    assert said["memory_training"] > said["memory_inference"] > 0

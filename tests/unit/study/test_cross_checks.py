"""What no schema can say of a config."""

from importlib.util import find_spec

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.recipes import recipe_settings


def test_two_entries_that_define_one_model(config, schema):
    config["models"]["Twin"] = {"architecture": "gcnn", "group": "D4"}
    config["train"]["models"] = ["CNN", "D4", "Twin"]
    with pytest.raises(InputError, match="two entries define the same model, D4 and Twin"):
        check_config(config, schema)


def test_one_architecture_may_be_trained_by_two_recipes(config, schema):
    config["models"]["D4-balanced"] = {"architecture": "gcnn", "group": "D4"}
    config["train"]["models"] = ["CNN", "D4", "D4-balanced"]
    config["train"]["overrides"] = {"D4-balanced": {"sampler": "weighted"}}
    check_config(config, schema)
    recipes = [recipe_settings(config["train"], name) for name in ("D4", "D4-balanced")]
    assert [recipe["sampler"] for recipe in recipes] == ["none", "weighted"]


def test_fold_out_of_range(config, schema):
    config["data"]["split"].update(folds=5, fold=5)
    with pytest.raises(InputError, match=r"data.split.fold: 5 .* below data.split.folds \(5\)"):
        check_config(config, schema)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"architecture": "vit", "patch": 20},
            "patch 20: must divide input_size 65; allowed are 1",
        ),
        ({"architecture": "vit", "patch": 13, "heads": 7}, "heads 7: must divide dim 256; allowed"),
        ({"architecture": "harmonic", "group": "C4"}, "group 'C4': allowed are SO2 and O2"),
        ({"architecture": "harmonic", "group": "O2", "samples": 6}, "samples 6: allowed are the"),
        (
            {"architecture": "e2wrn", "groups": ["D1", "D4", "D8"]},
            "D4 is no subgroup of D1; allowed are chains that shrink",
        ),
        (
            {"architecture": "e2wrn", "groups": ["D8", "D4", "D1"], "depth": 17},
            r"depth 17: allowed are 10, 16, 22, 28",
        ),
        (
            {"architecture": "e2wrn", "groups": ["D8", "D4", "D1"], "input_size": 66},
            "input size 66: not exact .* the nearest sizes that work are",
        ),
        (
            {"architecture": "e2resnet", "group": "C4", "input_size": 64},
            "input size 64: not exact .* the nearest sizes that work are",
        ),
        ({"architecture": "cbfocal_ecnn", "input_size": 64}, "input size 64: not exact"),
    ],
)
def test_what_cannot_be_built_is_told_before_any_job(config, schema, entry, message):
    config["models"]["X"] = entry
    config["train"]["models"] = ["CNN", "X"]
    with pytest.raises(InputError, match=f"config: train.models: .*{message}"):
        check_config(config, schema)


@pytest.mark.skipif(bool(find_spec("timm")), reason="timm is installed")
def test_a_backbone_of_timm_needs_timm(config, schema):
    config["train"]["models"] = ["CNN", "Probe-ResNet26"]
    with pytest.raises(InputError, match="resnet26: needs the optional package timm"):
        check_config(config, schema)


def test_class_weights_are_one_per_class(config, schema):
    config["train"]["loss"]["class_weights"] = [1, 2.5]
    with pytest.raises(
        InputError, match=r"train.loss.class_weights: 2 numbers are not .* the 10 data"
    ):
        check_config(config, schema)
    config["train"]["loss"]["class_weights"] = 10 * [1]
    check_config(config, schema)
    own = {"kind": "focal", "gamma": 0, "class_weights": 9 * [1.0], "beta": 0.9}
    config["train"]["overrides"] = {"D4": {"loss": own}}
    with pytest.raises(InputError, match=r"train.overrides.D4.loss.class_weights: 9 numbers"):
        check_config(config, schema)


def test_only_the_stratified_protocol_does_without_a_test_set(config, schema):
    split = config["data"]["split"]
    split.update(train=0.8, validation=0.2, test=0)
    with pytest.raises(InputError, match=r"data.split.test: 0 is not allowed; it must be above 0"):
        check_config(config, schema)
    split["protocol"] = "stratified"
    check_config(config, schema)
    split.update(folds=5)
    with pytest.raises(InputError, match=r"data.split.folds: 5 is not allowed with the protocol"):
        check_config(config, schema)


def test_conditions_that_follow_one_another(config, schema):
    noise = {"kind": "noise", "formula": "legacy", "level": 0.5, "seed": 1}
    config["conditions"]["both"] = [{"kind": "rotation", "seed": 1}, noise]
    config["evaluate"]["conditions"] = ["clean", "both"]
    check_config(config, schema)
    for wrong, message in [
        ([], r"conditions.both: \[\] is not allowed; it must be a list of at least 1 entries"),
        ([{"kind": "blur"}], "conditions.both.0.kind: 'blur' is not allowed; it must be one of"),
        ([noise, {**noise, "levle": 1}], "conditions.both.1: unknown key levle; allowed are"),
        ([noise, {"kind": "noise"}], "conditions.both: number 2: degradation noise: given are"),
        ({"kind": "blur"}, "conditions.both.kind: 'blur' is not allowed; it must be one of"),
    ]:
        config["conditions"]["both"] = wrong
        with pytest.raises(InputError, match=message):
            check_config(config, schema)


def test_processes_cannot_share_a_smaller_batch(config, schema):
    config["train"].update(world_size=2, drop_last=False)
    with pytest.raises(InputError, match=r"train.drop_last: false is not allowed for CNN; with tr"):
        check_config(config, schema)


def test_hyperband_ends_after_it_begins(config, schema):
    config["search"]["pruner"].update(kind="hyperband", min_resource=5, max_resource=4)
    with pytest.raises(InputError, match=r"max_resource: 4 .* at least min_resource \(5\)"):
        check_config(config, schema)


def test_models_with_fewer_labels_stand_beside_one_with_all(config, schema):
    config["models"]["D4-50"] = {"architecture": "gcnn", "group": "D4"}
    config["train"]["models"] = ["CNN", "D4", "D4-50"]
    config["train"]["overrides"] = {"D4-50": {"labels": 50}}
    check_config(config, schema)
    config["train"]["overrides"]["CNN"] = {"labels": 50}
    with pytest.raises(InputError, match=r"CNN.labels: .* evaluate.reference, must go without"):
        check_config(config, schema)


@pytest.mark.parametrize("source", ["simulated", "galaxy10"])
def test_known_galaxies_have_ten_classes(config, schema, source):
    config["data"] |= {"source": source, "classes": ["round", "barred"]}
    with pytest.raises(InputError, match="data.classes: 2 names are not allowed; it must be 10"):
        check_config(config, schema)
    config["data"]["source"] = "images"
    check_config(config, schema)


@pytest.mark.parametrize(
    ("source", "at_most", "most"),
    [("simulated", None, 1100), ("galaxy10", None, 17736), ("galaxy10", 400, 3934)],
)
def test_no_batch_is_larger_than_the_galaxies_that_there_are(config, schema, source, at_most, most):
    config["data"]["source"] = source
    config["data"]["split"]["at_most"]["train"] = at_most
    config["train"] |= {"models": ["CNN", "D4"], "batch_size": most}
    check_config(config, schema)
    config["train"]["overrides"] = {"D4": {"batch_size": most + 1}}
    message = rf"train.batch_size: {most + 1} is not allowed for D4; it must be at most {most},"
    with pytest.raises(InputError, match=message):
        check_config(config, schema)
    for free in ({"sampler": "over"}, {"drop_last": False}):
        config["train"]["overrides"]["D4"] = {"batch_size": most + 1, **free}
        check_config(config, schema)
    config["train"]["overrides"] = {}
    config["data"]["source"] = "images"  # nobody knows how many
    config["train"]["batch_size"] = 60_000
    check_config(config, schema)


def test_labels_are_of_all_classes_and_no_more_than_galaxies(config, schema):
    for labels, right in ((10, True), (1100, True), (9, False), (1101, False)):
        config["train"]["labels"] = labels
        if right:
            check_config(config, schema)
        else:
            with pytest.raises(InputError, match=f"train.labels: {labels} is not allowed for CNN"):
                check_config(config, schema)


@pytest.mark.parametrize(
    ("analyses", "message"),
    [
        ({"models": ["CNN", "ViT"]}, "analyses.models: 'ViT' is not trained; allowed are the entr"),
        ({"seed": 9}, "analyses.seed: 9 is not allowed; it must be one of train.seeds: 0, 1, 2"),
        (
            {"explanation": {"images": 3, "conditions": ["fog"]}},
            "analyses.explanation.conditions: 'fog' is not evaluated; allowed are",
        ),
        (
            {"sweeps": {"angle": {"kind": "rotation", "angle": [0]}}},
            r"analyses.sweeps.angle: values \[0\]: at least two",
        ),
    ],
)
def test_analyses_are_of_what_the_study_has(config, schema, analyses, message):
    config["analyses"].update(analyses)
    with pytest.raises(InputError, match=message):
        check_config(config, schema)

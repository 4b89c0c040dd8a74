"""What cannot be built is told without torch; what is not told can be built."""

import random
import subprocess
import sys

import pytest

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.limits import check
from equimorph.models.matching import weights_per_pair
from equimorph.models.registry import build
from equimorph.steerable.convolution import SteerableConv, plane
from equimorph.study.config import check_config
from equimorph.study.models import resolve
from tests.conftest import ROOT
from tests.jobs import TRUNK

UNBUILDABLE = {
    "wrong size": (
        {"architecture": "gcnn", "group": "C4", "input_size": 64},
        r"input size 64: not exact .* are \[57, 63, 65, 71\]",
    ),
    "wrong size of a ResNet": (
        {"architecture": "e2resnet", "group": "C1", "input_size": 67},
        "input size 67: not exact",
    ),
    "wrong size of a Wide ResNet": (
        {"architecture": "e2wrn", "groups": ["C1"] * 3, "input_size": 35},
        "input size 35: not exact",
    ),
    "wrong size of S2's": (
        {"architecture": "cbfocal_ecnn", "input_size": 256},
        "input size 256: not exact .* 257",
    ),
    "dropout of S2's": (
        {"architecture": "cbfocal_ecnn", "mixed_fields": [1] * 4},
        "field_dropout: 5 values for 4 blocks of fields; allowed is one per block",
    ),
    "too small": ({"architecture": "custom_cnn"}, "input_size 33: too small .* smallest is 94"),
    "patch": (
        {"architecture": "vit", "patch": 7},
        "patch 7: must divide input_size 33; allowed are 1, 3, 11, 33",
    ),
    "heads": (
        {"architecture": "vit", "patch": 11, "dim": 8, "heads": 3},
        "heads 3: must divide dim 8; allowed are 1, 2, 4, 8",
    ),
    "depth": (
        {"architecture": "e2wrn", "groups": ["C1"] * 3, "depth": 12},
        r"depth 12: allowed are 10, 16, 22, 28, \.\.\. \(6 n \+ 4\)",
    ),
    "chain of groups": (
        {"architecture": "e2wrn", "groups": ["C4", "D4", "C1"]},
        "D4 is no subgroup of C4; allowed are chains that shrink or stay",
    ),
    "samples": (
        {"architecture": "harmonic", "group": "SO2", "samples": 18},
        "samples 18: allowed are the multiples of 4 above 2 . band_limit = 6",
    ),
    "continuous group": (
        {"architecture": "harmonic", "group": "C4"},
        "group 'C4': allowed are SO2 and O2",
    ),
    "unknown group": ({"architecture": "e2resnet", "group": "C3"}, "group 'C3': allowed are C1"),
    "orbit": ({"architecture": "cnn", "orbit": "O2"}, "group 'O2': allowed are C1"),
    "pools": (
        {"architecture": "gcnn", "group": "C4", "pool_after": [4]},
        r"pool_after \[4\]: allowed are the blocks 1 to 3",
    ),
    "parameters that cannot be matched": (
        {"architecture": "gcnn", "group": "D16", "match": "parameters", "features": 64},
        "match parameters: D16 .* still costs .* times the plain network's; allowed is 0.85 to",
    ),
    "multiply-adds that cannot be matched": (
        {"architecture": "gcnn", "group": "D16", "match": "macs", "features": 64},
        "match macs: D16 .* still costs",
    ),
    "a basis that does not fit into memory": (
        {"architecture": "gcnn", "group": "D64", "kernel_size": 5},
        r"group D64: a basis of its kernels of 5 px takes 2.1 GiB; allowed is 1: a smaller group",
    ),
}


@pytest.mark.parametrize("name", UNBUILDABLE)
def test_it_is_told_before_any_job(name, config, schema):
    entry, message = UNBUILDABLE[name]
    if name == "dropout of S2's":  # the schema knows that there are five
        message = r"mixed_fields: \[1, 1, 1, 1\] is not allowed"
    config["network"].update(TRUNK)
    config["models"] = {"X": entry}
    config["train"]["models"] = ["CNN", "X"]
    with pytest.raises(InputError, match=message) as error:
        check_config(config, schema)
    assert str(error.value).startswith("config: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("name", sorted(UNBUILDABLE.keys() - {"too small"}))
def test_it_is_told_without_a_config(name):
    entry, message = UNBUILDABLE[name]
    with pytest.raises(InputError, match=message):
        check(resolve("X", {"X": entry}, TRUNK), 10)


def test_a_missing_timm_is_told_where_torch_is_and_timm_is_not(monkeypatch):
    specification = resolve("Probe-ResNet26", {}, TRUNK)
    for present, told in (({"torch"}, True), ({"torch", "timm"}, False), (set(), False)):
        monkeypatch.setattr(
            "equimorph.models.limits.find_spec", lambda name, present=present: name in present
        )
        if told:
            with pytest.raises(InputError, match=r"resnet26: needs .* timm \(pip install timm\)"):
                check(specification, 10)
        else:
            check(specification, 10)


def test_neither_torch_nor_escnn_is_needed():
    code = "import sys; import equimorph.models.limits; print(sys.modules.keys() & {'torch'})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("trivial_input", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("name", ["C1", "C4", "D1", "D2"])
def test_weights_are_counted_as_escnn_has_them(name, kernel_size, trivial_input):
    group = parse_group(name)
    space = plane(group)
    source = space.trivial_repr if trivial_input else space.regular_repr
    ends = (
        enn.FieldType(space, [representation]) for representation in (source, space.regular_repr)
    )
    conv = SteerableConv(*ends, kernel_size, 1, 0)
    assert weights_per_pair(group, kernel_size, trivial_input) == conv.weights.numel()


def drawn(draw):
    """A random small specification, good or bad."""
    pick = draw.choice
    size, groups = pick([33, 35, 36, 63, 65]), ["C1", "C2", "D1", "C4"]
    trunk = {
        "fields": [pick([1, 2, 3]) for _ in range(pick([1, 2, 4]))],
        "pool_after": draw.sample(range(1, 6), pick([0, 1, 2])),
        "kernel_size": pick([3, 5]),
        "stem_kernel_size": pick([3, 5]),
        "stem_stride": pick([1, 2]),
        "match": pick(["fields", "macs", "parameters"]),
        "head": pick(["pool", "flatten"]),
    }
    entry = pick(
        [
            {"architecture": "cnn"},
            {"architecture": "gcnn", "group": pick(groups)},
            {"architecture": "harmonic", "group": pick(["SO2", "O2", "C2"]), "band_limit": 1,
             "samples": pick([2, 4, 6, 8])},
            {"architecture": "e2resnet", "group": pick(groups), "base_width": 1,
             "blocks": [1, 1, 1, 1]},
            {"architecture": "e2wrn", "groups": [pick(groups) for _ in range(3)], "widen": 1,
             "depth": pick([10, 12]), "stem_stride": pick([1, 2])},
            {"architecture": "cbfocal_ecnn", "group": pick(groups), "mixed_fields": [1] * 5,
             "field_dropout": [0.1] * pick([5, 4]), "exact": pick([True, False])},
            {"architecture": "cbfocal_cnn"},
            {"architecture": "deepcnn5"},
            {"architecture": "vit", "patch": pick([3, 5, 7, 9, 11]), "dim": 12,
             "heads": pick([1, 3, 5]), "mlp": 4, "layers": 1},
        ]
    )  # fmt: skip
    return resolve("X", {"X": entry}, {**TRUNK, **trunk, "input_size": size, "features": 1})


def test_what_passes_can_be_built():
    draw, passed = random.Random(0), 0
    for _ in range(120):
        specification = drawn(draw)
        try:
            check(specification, 3)
        except InputError:
            continue
        build(specification, 3)
        passed += 1
    assert 30 < passed < 90


@pytest.mark.parametrize("own", [False, True])
def test_weights_of_classes_are_one_for_each(config, schema, own):
    loss = {**config["train"]["loss"], "class_weights": [1.0, 2.0]}
    if own:
        config["train"]["overrides"] = {"D4": {"loss": loss}}
    else:
        config["train"]["loss"] = loss
    place = "train.overrides.D4" if own else "train"
    message = rf"config: {place}.loss.class_weights: 2 numbers .* one for each of the 10 data.cl"
    with pytest.raises(InputError, match=message):
        check_config(config, schema)
    loss["class_weights"] = [1.0] * 10
    check_config(config, schema)

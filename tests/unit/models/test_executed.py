"""What is executed: counted for a plan of sizes as it is for the network that is built from it."""

import pytest

from equimorph.groups.names import parse_group
from equimorph.models.counting import count_executed_macs, count_macs
from equimorph.models.executed import trunk_executed_macs
from equimorph.models.registry import build
from equimorph.models.trunk import Trunk
from equimorph.study.models import resolve

FIELDS = [4, 12, 24, 24]
TRUNK = Trunk(tuple(FIELDS), (2, 3), 3, 1)


def network(group, defaults):
    trunk = {"fields": FIELDS, "pool_after": [2, 3], "stem_stride": 1, "match": "fields"}
    return build(resolve(group, {}, {**defaults, **trunk, "input_size": 33}), 10)


@pytest.mark.parametrize("group", ["C2", "C8", "D4", "D8"])
def test_a_plan_costs_what_its_network_does(group, network_defaults):
    planned = trunk_executed_macs(TRUNK, parse_group(group), 33)
    # The network also has its pools and its classifier, some per cent.
    assert planned == pytest.approx(
        count_executed_macs(network(group, network_defaults), 33), rel=0.05
    )


def test_sparse_convolutions_execute_less_than_they_expand_to(network_defaults):
    ratio = {}
    for group in ("CNN", "C2", "D8"):
        built = network(group, network_defaults)
        ratio[group] = count_executed_macs(built, 33) / count_macs(built, 33)
    assert ratio["CNN"] == 1
    assert ratio["C2"] == 1
    assert ratio["D8"] < 0.4

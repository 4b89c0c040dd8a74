"""A GCNN's fields, matched to the plain network's cost."""

import pytest

from equimorph.models.counting import count_executed_macs, count_macs, count_parameters
from equimorph.models.matching import gcnn_trunk
from equimorph.models.registry import build
from equimorph.study.models import resolve


@pytest.mark.parametrize("quantity", ["macs", "parameters", "executed"])
@pytest.mark.parametrize("group", ["C4", "D4", "C16"])
def test_match_brings_a_gcnn_to_the_cnns_cost(quantity, group, network_defaults):
    defaults = {
        **network_defaults,
        "fields": [12, 24, 48, 48, 48, 48, 96, 96, 96, 112, 192],
        "width": 2.0,
        "match": quantity,
    }
    plain = build(resolve("CNN", {}, defaults), 10)
    steerable = build(resolve(group, {}, defaults), 10)
    cost = {
        "macs": lambda n: count_macs(n, 65),
        "parameters": count_parameters,
        "executed": lambda n: count_executed_macs(n, 65),
    }[quantity]
    assert cost(steerable) == pytest.approx(cost(plain), rel=0.1)


def test_match_fields_leaves_the_widths_alone(network_defaults):
    specification = resolve("D4", {}, network_defaults)
    assert gcnn_trunk(specification, 10).fields == tuple(network_defaults["fields"])


def test_a_large_group_has_more_fields_at_equal_executed_cost(network_defaults):
    wide = {**network_defaults, "fields": [24, 48, 96, 96], "pool_after": [1, 3], "width": 4.0}
    fields = {
        match: gcnn_trunk(resolve("D8", {}, {**wide, "match": match}), 10).fields
        for match in ("macs", "executed")
    }
    assert fields["executed"][1] >= 2 * fields["macs"][1]

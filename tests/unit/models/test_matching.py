"""A GCNN's fields, matched to the plain network's cost."""

import pytest

from equimorph.models.counting import count_macs, count_parameters
from equimorph.models.matching import gcnn_trunk
from equimorph.models.registry import build
from equimorph.study.models import resolve


@pytest.mark.parametrize("quantity", ["macs", "parameters"])
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
    cost = {"macs": lambda n: count_macs(n, 65), "parameters": count_parameters}[quantity]
    assert cost(steerable) == pytest.approx(cost(plain), rel=0.1)


def test_match_fields_leaves_the_widths_alone(network_defaults):
    specification = resolve("D4", {}, network_defaults)
    assert gcnn_trunk(specification, 10).fields == tuple(network_defaults["fields"])

"""How often one pixel is enough: rates with intervals, and whether larger groups resist better."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from equimorph.analyses.attack_file import Attacked
from equimorph.analyses.intervals import mean_interval
from equimorph.evaluation.statistics import holm, mcnemar, paired_difference
from equimorph.robustness.attacks import Attacks

LEAST_VICTIMS = 20  # whose resamples make an interval


def attack_measures(
    attacked: Mapping[str, Attacked],
    victims: Mapping[str, Any],
    orders: Mapping[str, int | None],
    reference: str,
    classes: int,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Return all that is said of the attacks, ready for JSON.

    Args:
        attacked: each network's attacks.
        victims: what `victims.choose_victims` returned, and `training_seed`.
        orders: order of each network's group; None for those that the trend leaves out.
        reference: the network that the others are compared with, if it is among them.
        classes: number of classes.
        draws: bootstrap resamples.
        seed: their seed.

    Returns:
        `training_seed`, `victims` (how many were attacked and how many qualified) and, by method,
        `networks` (rates on common and own victims, class changes), `comparisons` on common
        victims, and `trend`; `beyond_corners`, where one method succeeds and the other does not.
    """
    methods = next(iter(attacked.values())).by_method
    measured = {}
    for method in methods:
        common = {
            name: one.by_method[method].success[one.rows(victims["common"])]
            for name, one in attacked.items()
        }
        measured[method] = {
            "networks": {
                name: _network(one, method, victims, name, classes)
                for name, one in attacked.items()
            },
            "comparisons": compare(common, reference, draws, seed),
            "trend": trend(common, orders, draws, seed),
        }
    return {
        "training_seed": victims["training_seed"],
        "victims": {
            "common": len(victims["common"]),
            "own": {name: len(own) for name, own in victims["own"].items()},
            "available": victims["available"],
        },
        "methods": measured,
        "beyond_corners": {
            name: beyond_corners(one.by_method, one.rows(victims["common"]))
            for name, one in attacked.items()
        }
        if len(methods) == 2
        else None,
    }


def _network(
    attacked: Attacked, method: str, victims: Mapping[str, Any], name: str, classes: int
) -> dict[str, Any]:
    attacks = attacked.by_method[method]
    own = attacked.rows(victims["own"][name])
    changes = np.zeros((classes, classes), int)
    fallen = own[attacks.success[own]]
    np.add.at(changes, (attacked.label[fallen], attacks.predicted[fallen]), 1)
    return {
        "common": rate(attacks, attacked.rows(victims["common"])),
        "own": rate(attacks, own),
        "changes": changes.tolist(),
    }


def rate(attacks: Attacks, rows: NDArray) -> dict[str, Any]:
    """Return how many of some victims fall, and what that costs.

    Args:
        attacks: attacks on all victims.
        rows: the victims that count.

    Returns:
        victims, successes, rate and ci95 (Wilson 1927), queries per victim, all three None without
        victims; queries per success (those on the victims that withstand are in it), None where
        none falls.
    """
    fallen, total = int(attacks.success[rows].sum()), len(rows)
    queries = int(attacks.queries[rows].sum())
    bounds = binomtest(fallen, total).proportion_ci(method="wilson") if total else None
    return {
        "victims": total,
        "successes": fallen,
        "rate": fallen / total if total else None,
        "ci95": [float(bounds.low), float(bounds.high)] if bounds else None,
        "queries_per_victim": queries / total if total else None,
        "queries_per_success": queries / fallen if fallen else None,
    }


def compare(
    fallen: Mapping[str, NDArray], reference: str, draws: int, seed: int
) -> list[dict[str, Any]]:
    """Compare each network's rate with the reference's on the same victims.

    Args:
        fallen: whether each common victim falls, booleans (V,) by network.
        reference: the network to compare with; no comparisons where it is not among them, or where
            there are no victims.
        draws: bootstrap resamples.
        seed: their seed, the same for all.

    Returns:
        Per network a: difference in rate (a - b), its paired interval over victims, McNemar's exact
        p and that after Holm's correction.
    """
    if reference not in fallen or not len(fallen[reference]):
        return []
    rows = []
    base = fallen[reference]
    for name, own in fallen.items():
        if name != reference:
            generator = np.random.default_rng(seed)
            difference = paired_difference(own[None], base[None], draws, generator)
            p = mcnemar(own, base)
            rows.append({"a": name, "b": reference, **difference, "mcnemar_p": p})
    for row, corrected in zip(rows, holm([row["mcnemar_p"] for row in rows]), strict=True):
        row["holm_p"] = corrected
    return rows


def trend(
    fallen: Mapping[str, NDArray], orders: Mapping[str, int | None], draws: int, seed: int
) -> dict[str, Any] | None:
    """Return the change of the rate with each doubling of the group, over equivariant networks.

    It is the slope of the least-squares line of rate against log2 of the order, and its 95 %
    percentile interval over victims. The networks stay the same, so it says nothing of how other
    trainings would have come out.

    Args:
        fallen: whether each common victim falls, booleans (V,) by network.
        orders: order of each network's group; None for those without a finite group.
        draws: bootstrap resamples.
        seed: their seed.

    Returns:
        networks, victims, slope, ci95 (None for fewer than 20 victims, or where all are alike:
        resamples then say nothing); None for fewer than three different orders, or without
        victims.
    """
    sized: list[tuple[str, int]] = [
        (name, order) for name in fallen if (order := orders[name]) is not None and order > 1
    ]
    if len({order for _, order in sized}) < 3 or not len(next(iter(fallen.values()))):
        return None
    doublings = np.array([math.log2(order) for _, order in sized])
    centred = doublings - doublings.mean()
    answers = np.stack([fallen[name] for name, _ in sized]).astype(float)
    by_victim = centred @ answers / (centred**2).sum()
    return {
        "networks": [name for name, _ in sized],
        "victims": len(by_victim),
        "slope": float(by_victim.mean()),
        "ci95": mean_interval(by_victim, draws, seed)
        if len(by_victim) >= LEAST_VICTIMS and np.ptp(by_victim) > 0
        else None,
    }


def beyond_corners(by_method: Mapping[str, Attacks], rows: Sequence[int] | NDArray) -> dict:
    """Count victims by which of the methods changes their class."""
    corner = by_method["exhaustion"].success[rows]
    evolved = by_method["evolution"].success[rows]
    return {
        "evolution_alone": int((evolved & ~corner).sum()),
        "exhaustion_alone": int((corner & ~evolved).sum()),
        "both": int((corner & evolved).sum()),
        "victims": len(corner),
    }


def table(measures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the table of rates: method, network, set of victims."""
    return [
        {
            "method": method,
            "model": name,
            "victims": of,
            "attacked": rates["victims"],
            "successes": rates["successes"],
            "rate": rates["rate"],
            "ci95_low": rates["ci95"] and rates["ci95"][0],
            "ci95_high": rates["ci95"] and rates["ci95"][1],
            "queries_per_victim": rates["queries_per_victim"],
            "queries_per_success": rates["queries_per_success"],
        }
        for method, measured in measures["methods"].items()
        for name, network in measured["networks"].items()
        for of in ("common", "own")
        for rates in (network[of],)
    ]

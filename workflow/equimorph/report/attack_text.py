"""What may be said of one-pixel attacks: rates, differences, and whether larger groups resist."""

from typing import Any

from equimorph.analyses.attack_measures import LEAST_VICTIMS
from equimorph.report.wording import (
    interval,
    percent,
    plural,
    point_interval,
    points,
    verdict,
)

_SIGNIFICANT = 0.05
_METHODS = {
    "exhaustion": "every visible pixel in each of eight corner colours",
    "evolution": "differential evolution of {population} members in at most {generations} "
    "generations, where the published attack has 400 and 200",
}


def attack_sentences(measures: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Return what the attacks allow to say, sentence by sentence.

    Args:
        measures: what `analyses.attack_measures` returns.
        settings: `analyses.attack` of the config.
    """
    victims = measures["victims"]
    if not victims["common"]:
        return [
            "These networks have no test image right together, so there are no victims on which "
            "they could be compared."
        ]
    return [
        f"The victims are {plural(victims['common'], 'test image')} that all of these networks "
        f"have right, drawn from {victims['available']['common']:,}; of each network, the training "
        f"with seed {measures['training_seed']} is attacked.",
        *(_rates(method, one, settings) for method, one in measures["methods"].items()),
        *_verdicts(measures["methods"]),
        *_beyond_corners(measures["beyond_corners"]),
    ]


def _rates(method: str, measured: dict[str, Any], settings: dict[str, Any]) -> str:
    """Say what a method costs, and where it succeeds least and most."""
    rates = {name: network["common"] for name, network in measured["networks"].items()}
    passes = sum(one["queries_per_victim"] for one in rates.values()) / len(rates)
    said = [
        f"{_share(next(one for one in rates.values() if one['rate'] == rate))} of them for "
        + _listed([name for name, one in rates.items() if one["rate"] == rate])
        for rate in sorted({pick(one["rate"] for one in rates.values()) for pick in (min, max)})
    ]
    return (
        f"By {_METHODS[method].format(**settings)} ({passes:,.0f} forward passes per victim), one "
        f"pixel changes the answer on {' and on '.join(said)}"
        f"{', the least and the most' if len(said) > 1 else ''}."
    )


def _verdicts(methods: dict[str, Any]) -> list[str]:
    """Say how the networks compare; what two methods agree on is said once."""
    agreed: dict[str, list[str]] = {}
    for method, measured in methods.items():
        for sentence in [*_comparisons(measured), *_trend(measured["trend"])]:
            agreed.setdefault(sentence, []).append(method)
    if len(methods) == 1:
        return list(agreed)
    return [
        f"By {_listed(names)}, {sentence[0].lower()}{sentence[1:]}"
        for sentence, names in agreed.items()
    ]


def _comparisons(measured: dict[str, Any]) -> list[str]:
    sentences = []
    differing = [row for row in measured["comparisons"] if row["holm_p"] < _SIGNIFICANT]
    for said, sign in (("lower", -1), ("higher", 1)):
        names = [row["a"] for row in differing if row["difference"] * sign > 0]
        if names:
            reference = differing[0]["b"]
            sentences.append(
                f"The rate is {said} than that of {reference} for {_listed(names)} (McNemar's "
                f"exact test, p < {_SIGNIFICANT} after Holm's correction)."
            )
    if measured["comparisons"] and not differing:
        reference = measured["comparisons"][0]["b"]
        sentences.append(f"No network's rate is distinguishable from that of {reference}.")
    return sentences


def _share(rate: dict[str, Any]) -> str:
    return (
        f"{percent(rate['rate'])} % ({rate['successes']} of {rate['victims']}; 95 % interval "
        f"{interval(rate['ci95'])})"
    )


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _trend(trend: dict[str, Any] | None) -> list[str]:
    """Answer whether a larger group resists better."""
    if trend is None:
        return []
    if trend["ci95"] is None:
        why = (
            f"{plural(trend['victims'], 'victim')}: {LEAST_VICTIMS} are the least"
            if trend["victims"] < LEAST_VICTIMS
            else f"{plural(trend['victims'], 'victim')} that answer alike"
        )
        return [f"Whether a larger group resists better cannot be told from {why}."]
    said = {
        "higher": "Among these trainings, a larger group resists less well",
        "lower": "Among these trainings, a larger group resists better",
        "not distinguishable": "That a larger group resists better, or less well, is not shown",
    }[verdict(trend["ci95"])]
    return [
        f"{said}: with each doubling of the group the rate changes by {points(trend['slope'])} "
        f"points (95 % interval over victims {point_interval(trend['ci95'])}; "
        f"{plural(len(trend['networks']), 'equivariant network')})."
    ]


def _beyond_corners(beyond: dict[str, Any] | None) -> list[str]:
    if beyond is None:
        return []
    alone, corners, both = (
        sum(one[key] for one in beyond.values())
        for key in ("evolution_alone", "exhaustion_alone", "both")
    )
    return [
        f"Over all networks and victims, both methods succeed {_times(both)}, exhaustion alone "
        f"{_times(corners)}, and evolution alone, with a colour that is no corner, {_times(alone)}."
    ]


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count} times")

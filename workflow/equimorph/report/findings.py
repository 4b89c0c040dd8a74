"""What may be said of the numbers: the report's sentences, warnings and caveats."""

import math
from typing import Any

from scipy.stats import chi2

from equimorph.evaluation.summary import is_equivariant
from equimorph.groups.names import is_group_name, parse_group
from equimorph.report.wording import (
    condition_label,
    interval,
    mean_sd_text,
    percent,
    plural,
    point_interval,
    resampled,
    si,
    verdict,
)

# Honest accuracies on Galaxy10 cluster at 80 to 88 %; above this, look for a leak first.
LEAK_SUSPICION = 0.90
_SMALL_SAMPLE = 5000


def first_condition(metrics: dict[str, Any]) -> str:
    """Return the condition that headlines are about: `clean`, or the first where it is missing."""
    conditions = next(iter(metrics["models"].values()))["conditions"]
    return "clean" if "clean" in conditions else next(iter(conditions))


def headline(metrics: dict[str, Any]) -> list[str]:
    """Return the result in up to three sentences, no stronger than the intervals allow."""
    condition = first_condition(metrics)
    best, reference = metrics["validation_choice"]["best_equivariant"], metrics["reference"]
    if best is None:
        return [_accuracy_sentence(metrics, next(iter(metrics["models"])), condition)]
    sentences = [_accuracy_sentence(metrics, best, condition)]
    if reference and reference != best:
        sentences.append(_difference_sentence(metrics, best, reference, condition))
        if len(metrics["comparisons"]) > 1:
            sentences.append(_count_sentence(metrics, best, reference))
    return sentences


def _accuracy_sentence(metrics: dict[str, Any], name: str, condition: str) -> str:
    accuracy = metrics["models"][name]["conditions"][condition]["accuracy"]
    rivals = sum(map(is_equivariant, metrics["models"].values()))
    chosen = f"{name}, chosen on validation among {plural(rivals, 'equivariant network')},"
    kind = "simulated " if metrics["data"]["source"] == "simulated" else ""
    held_out = "test" if metrics["split"]["leaky"] else "held-out"
    seeds = "one seed" if accuracy["n"] == 1 else f"mean ± sd of {accuracy['n']} seeds"
    return (
        f"{chosen if rivals > 1 else name} classifies {mean_sd_text(accuracy)} % of "
        f"{metrics['split']['test_images']:,} {held_out} {kind}galaxies correctly "
        f"({condition_label(condition)} images; {seeds}; 95 % interval over "
        f"{resampled(accuracy['n'])} {interval(accuracy['ci95'])} %)."
    )


def _comparison(metrics: dict[str, Any], name: str, condition: str) -> dict[str, Any]:
    return next(row for row in metrics["comparisons"][condition] if row["a"] == name)


def _difference_sentence(metrics: dict[str, Any], best: str, reference: str, condition: str) -> str:
    row = _comparison(metrics, best, condition)
    accuracy = mean_sd_text(metrics["models"][reference]["conditions"][condition]["accuracy"])
    said = verdict(row["ci95"])
    size = percent(abs(row["difference"]))
    bounds = f"95 % interval of the difference {point_interval(row['ci95'])} points"
    if said == "not distinguishable":
        return (
            f"It is not distinguishable from {reference} ({accuracy} %): a difference of {size} "
            f"percentage points is compatible with zero ({bounds})."
        )
    return (
        f"Its accuracy is {said} than that of {reference} ({accuracy} %) by {size} percentage "
        f"points ({bounds})."
    )


def _count_sentence(metrics: dict[str, Any], best: str, reference: str) -> str:
    verdicts = {
        condition: verdict(_comparison(metrics, best, condition)["ci95"])
        for condition in metrics["comparisons"]
    }
    parts = []
    for said in ("higher", "lower", "not distinguishable"):
        names = [condition_label(name) for name, v in verdicts.items() if v == said]
        if names:
            parts.append(f"{said} in {len(names)} ({', '.join(names)})")
    return (
        f"Against {reference}, over {plural(len(verdicts), 'test condition')}, the accuracy of "
        f"{best} is {'; '.join(parts)}."
    )


def trend(metrics: dict[str, Any]) -> list[str]:
    """Say per family how accuracy moves from the smallest to the largest group."""
    condition = first_condition(metrics)
    sentences = []
    for reflections, family in ((False, "cyclic"), (True, "dihedral")):
        series = sorted(
            (model["group_order"], model["conditions"][condition]["accuracy"]["mean"], name)
            for name, model in metrics["models"].items()
            if is_equivariant(model)
            and name == model["group"]
            and is_group_name(name)
            and parse_group(name).reflections == reflections
        )
        if len(series) < 2:
            continue
        (_, low, first), (_, high, last) = series[0], series[-1]
        means = [mean for _, mean, _ in series]
        rising = all(a < b for a, b in zip(means, means[1:], strict=False))
        top = max(series, key=lambda entry: entry[1])
        shape = (
            "rising at every step"
            if rising
            else f"not rising at every step; the highest mean is that of {top[2]} "
            f"({percent(top[1])} %)"
        )
        sentences.append(
            f"Among the {family} groups the mean accuracy ({condition_label(condition)}) goes from "
            f"{percent(low)} % ({first}) to {percent(high)} % ({last}), {shape}."
        )
    return sentences


def without_leaks(metrics: dict[str, Any]) -> str:
    """Say how accurate each model is without the test galaxies that leak; nothing where none do."""
    condition = first_condition(metrics)
    measured = {name: model["conditions"][condition] for name, model in metrics["models"].items()}
    kept = [one["without_leaks"] for one in measured.values() if "without_leaks" in one]
    if not kept:
        return ""
    figures = [
        f"{name} {mean_sd_text(one['without_leaks'])} (with them {mean_sd_text(one['accuracy'])})"
        for name, one in measured.items()
    ]
    return (
        "Without the test galaxies that have a neighbour or a copy in another subset, or are blank "
        f"({kept[0]['images']:,} of {metrics['split']['test_images']:,} images, "
        f"{condition_label(condition)}), the accuracy in per cent is: {'; '.join(figures)}."
    )


def warnings(metrics: dict[str, Any], split: dict[str, Any]) -> list[dict[str, str]]:
    """Return what a reader must know before any number: title, text and level of each warning."""
    found = []
    if metrics["split"]["leaky"]:
        seen = split.get("overlap", {}).get("test_in_train")
        share = (
            f" {seen['galaxies']:,} of {metrics['split']['test_images']:,} test galaxies "
            f"({percent(seen['share'], 0)} %) are in the training set."
            if seen
            else ""
        )
        found.append(
            {
                "level": "danger",
                "title": "Leaky split: these accuracies are not held-out accuracies",
                "text": f"The split follows the protocol {metrics['split']['protocol']}, in which "
                f"test galaxies may also be training galaxies.{share} The figures show what that "
                "protocol does to a score. Do not quote them as performance.",
            }
        )
    suspects = suspicious(metrics)
    if suspects:
        found.append(
            {
                "level": "danger",
                "title": f"Above {percent(LEAK_SUSPICION, 0)} % on clean images: check for a leak",
                "text": f"{', '.join(suspects)} exceed {percent(LEAK_SUSPICION, 0)} % mean "
                "accuracy on real images. Honest results on Galaxy10 DECaLS lie at 80 to 88 %. "
                "Before believing the number, look for test galaxies, or copies of them, among the "
                "training galaxies.",
            }
        )
    if metrics["data"]["source"] == "simulated":
        found.append(
            {
                "level": "note",
                "title": "Simulated galaxies",
                "text": "All images are drawn from parametric light profiles. The accuracies say "
                "how the networks compare on these images, not how well they classify the sky.",
            }
        )
    return found


def suspicious(metrics: dict[str, Any]) -> list[str]:
    """Return the models that score too well on clean real images to be believed unchecked."""
    if metrics["data"]["source"] == "simulated":
        return []
    return [
        name
        for name, model in metrics["models"].items()
        if "clean" in model["conditions"]
        and model["conditions"]["clean"]["accuracy"]["mean"] > LEAK_SUSPICION
    ]


def caveats(
    metrics: dict[str, Any], split: dict[str, Any], runs: list[dict[str, Any]]
) -> list[str]:
    """Return the limits of the study that follow from its numbers."""
    condition = first_condition(metrics)
    best = metrics["validation_choice"]["best_equivariant"] or next(iter(metrics["models"]))
    accuracy = metrics["models"][best]["conditions"][condition]["accuracy"]
    tests = metrics["split"]["test_images"]
    counts = split["counts"]
    error = math.sqrt(accuracy["mean"] * (1 - accuracy["mean"]) / tests)
    return [
        _seed_caveat(accuracy["n"]),
        f"The test set has {plural(tests, 'image')}: an accuracy of {percent(accuracy['mean'])} % "
        f"has a standard error of {percent(error)} points from the choice of images alone, and "
        f"the smallest class has {plural(min(counts['test']), 'test image')}, so per-class figures "
        "are coarser still.",
        *_choice_caveat(metrics, sum(counts["validation"])),
        f"The intervals come from resampling {resampled(accuracy['n'])}. They are not corrected "
        "for the number of comparisons; the p-values are (Holm, within each condition).",
        "All conditions use the same test galaxies, so agreement between conditions is not "
        "independent confirmation.",
        *_cost_caveat(metrics),
        *_sample_caveat(metrics),
        *_run_caveats(runs),
    ]


def _seed_caveat(seeds: int) -> str:
    if seeds == 1:
        return (
            "One seed per model: how much a second training would differ is unknown, and a "
            "difference between two models may be a difference between two trainings, which the "
            "intervals do not contain."
        )
    low, high = (math.sqrt((seeds - 1) / chi2.ppf(p, seeds - 1)) for p in (0.975, 0.025))
    return (
        f"{seeds} seeds per model: a standard deviation from so few trainings is itself uncertain "
        f"(95 % interval of the true value: {low:.1f} to {high:.1f} times the one stated, if "
        "trainings scatter normally), and so is its part of the intervals."
    )


def _choice_caveat(metrics: dict[str, Any], images: int) -> list[str]:
    best = metrics["validation_choice"]["best_equivariant"]
    if best is None or not images:
        return []
    accuracy = metrics["models"][best]["validation_accuracy"]["mean"]
    error = math.sqrt(accuracy * (1 - accuracy) / images)
    return [
        f"{best} was chosen on {plural(images, 'validation image')}, where an accuracy has a "
        f"standard error of {percent(error)} points: equivariant networks that differ by less "
        "could as well have been chosen."
    ]


def _cost_caveat(metrics: dict[str, Any]) -> list[str]:
    macs = {name: model["executed_macs"] for name, model in metrics["models"].items()}
    low, high = min(macs, key=lambda name: macs[name]), max(macs, key=lambda name: macs[name])
    if macs[high] < 1.25 * macs[low]:
        return []
    return [
        f"The networks do not cost the same: from {si(macs[low])} ({low}) to {si(macs[high])} "
        f"({high}) executed multiply-adds per image. A part of any difference may be due to that."
    ]


def _sample_caveat(metrics: dict[str, Any]) -> list[str]:
    if metrics["data"]["source"] == "simulated" or metrics["data"]["images"] >= _SMALL_SAMPLE:
        return []
    return [
        f"The data set has only {plural(metrics['data']['images'], 'image')}; accuracies are not "
        "comparable with published ones for larger or differently drawn samples."
    ]


def _run_caveats(runs: list[dict[str, Any]]) -> list[str]:
    found = []
    if len({run.get("commit") for run in runs}) > 1:
        found.append("The networks were not all trained at the same commit (see Provenance).")
    if any(run.get("dirty") for run in runs):
        found.append("Some networks were trained with uncommitted changes to the sources.")
    return found

"""The report: one HTML file from the study's numbers, figures and provenance."""

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import yaml
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from equimorph.errors import InputError
from equimorph.evaluation.metrics import METRICS
from equimorph.evaluation.summary import highlighted
from equimorph.report import findings, label_text, wording
from equimorph.report.attack_text import attack_sentences
from equimorph.report.condition_text import describe_condition
from equimorph.report.image_text import describe_images
from equimorph.report.interactive_map import inline_json
from equimorph.report.recipe_text import describe_kept, describe_recipe

_SUBSETS = ("train", "validation", "test", "quarantined", "unused")
_MATCHES = {
    "macs": "the number of multiply-adds",
    "executed": "the number of multiply-adds that a CPU really executes",
    "parameters": "the number of parameters",
    "fields": "the number of fields, so that larger groups cost more",
}
_FILTERS = (
    "condition_label",
    "decimal",
    "duration",
    "interval",
    "mean_sd_text",
    "p_value",
    "percent",
    "plural",
    "point_interval",
    "points",
    "si",
    "verdict",
)
_CALIBRATION_METRICS = ("ece", "brier")  # of `METRICS`, that the analysis's own table has
# What the address of a drawing may hold as it is, inside double quotes; base64 takes a third more.
_PLAIN = " '*,/:;<=>@[]{}"
_SOURCES = {
    "simulated": "simulated galaxies",
    "galaxy10": "Galaxy10 DECaLS",
    "images": "real images from a folder",
    "hdf5": "real images from an HDF5 file",
}


def data_uri(path: str | Path) -> Markup:
    """Return an SVG or WebP file as a `data:` address, so that the report needs no other file.

    It holds neither double quotes nor ampersands, and fits into an attribute as it is.

    Raises:
        InputError: another kind of file.
    """
    path = Path(path)
    match path.suffix:
        case ".svg":
            text = path.read_text(encoding="utf-8").strip()
            return Markup(f"data:image/svg+xml,{quote(text, safe=_PLAIN)}")
        case ".webp":
            return Markup(f"data:image/webp;base64,{base64.b64encode(path.read_bytes()).decode()}")
    raise InputError(f"{path}: a figure must be one of .svg, .webp.")


def embed_figures(paths: list[str | Path]) -> dict[str, Markup]:
    """Return figures as addresses, by their stem."""
    return {Path(path).stem: data_uri(path) for path in paths}


def read_captions(folder: str | Path) -> dict[str, list[str]]:
    """Return the paragraphs of each caption in a folder of `.rst` files, by stem.

    Captions are plain paragraphs, so that one source serves this report and Snakemake's.
    """
    return {
        path.stem: [
            " ".join(block.split())
            for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8"))
            if block.strip()
        ]
        for path in sorted(Path(folder).glob("*.rst"))
    }


def common(runs: list[dict[str, Any]], key: str) -> list[Any]:
    """Return the distinct values of a key over all runs, in order of appearance."""
    values = []
    for run in runs:
        if run.get(key) is not None and run[key] not in values:
            values.append(run[key])
    return values


def render(
    template: str,
    *,
    metrics: dict[str, Any],
    split: dict[str, Any],
    verified: dict[str, Any],
    audit: dict[str, Any],
    runs: list[dict[str, Any]],
    config: dict[str, Any],
    figures: dict[str, Markup],
    captions: dict[str, list[str]],
    analyses: dict[str, dict[str, Any]],
    latent_map: dict[str, Any] | None,
    map_code: str,
    curve: pd.DataFrame | None = None,
) -> str:
    """Render the report.

    Args:
        template: Jinja2 source; every value it prints is escaped.
        metrics: the study's metrics.json.
        split: the split's description.
        verified: the raw file's facts.
        audit: the catalogue's audit.
        runs: the run.json of every training.
        config: the study's whole config.
        figures: addresses by figure name.
        captions: paragraphs by figure or table name.
        analyses: what was measured by each analysis that has run, by its name.
        latent_map: what the interactive map shows, None for no map.
        map_code: its JavaScript.
        curve: what `evaluation.label_curve` returned, where models differ in labels.

    Raises:
        InputError: a figure without a caption, or without a place in the template.
    """
    missing = [name for name in figures if name not in captions]
    if missing:
        raise InputError(f"no caption for {', '.join(missing)}: each figure needs <name>.rst.")
    if unplaced := [name for name in figures if f'figure("{name}")' not in template]:
        raise InputError(
            f"no place for {', '.join(unplaced)}: the report's template shows each figure by "
            '{{ figure("<name>") }}.'
        )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({name: getattr(wording, name) for name in _FILTERS})
    environment.tests["straddles_zero"] = lambda ci95: (
        wording.verdict(ci95) == "not distinguishable"
    )
    conditions = list(next(iter(metrics["models"].values()))["conditions"])
    calibrated = analyses.get("calibration", {"networks": {}})["networks"]
    tabulated = _CALIBRATION_METRICS if set(metrics["models"]) <= set(calibrated) else ()
    return environment.from_string(template).render(
        metrics=metrics,
        split=split,
        verified=verified,
        audit=audit,
        config=config,
        images=describe_images(config),
        recipe=describe_recipe(config["train"]),
        kept=describe_kept(config["train"]),
        config_text=yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=90),
        figures=figures,
        captions=captions,
        analyses=analyses,
        latent_map=latent_map,
        latent_map_data=inline_json(latent_map),
        map_code=Markup(map_code),
        attack=[
            wording.tie(s)
            for s in attack_sentences(analyses["attack"], config["analyses"]["attack"])
        ]
        if "attack" in analyses
        else [],
        source=_SOURCES.get(metrics["data"]["source"], metrics["data"]["source"]),
        classes=metrics["data"]["classes"],
        subsets=[name for name in _SUBSETS if sum(split["counts"].get(name, []))],
        conditions=conditions,
        turns=config["evaluate"]["turns"],
        zero_labels={
            name: model["zero_labels"]
            for name, model in metrics["models"].items()
            if "zero_labels" in model
        },
        descriptions={
            name: describe_condition(config["conditions"].get(name)) for name in conditions
        },
        leak=findings.leak(split["protocol"]),
        match=_MATCHES.get(config["network"]["match"], config["network"]["match"]),
        first=findings.first_condition(metrics),
        resampled=wording.resampled(len(next(iter(metrics["models"].values()))["seeds"])),
        shown=highlighted(metrics),
        other_metrics={
            name: metric for name, metric in METRICS.items() if name not in ("accuracy", *tabulated)
        },
        headline=[wording.tie(s) for s in findings.headline(metrics)],
        without_leaks=wording.tie(findings.without_leaks(metrics)),
        fewer_labels=[wording.tie(s) for s in label_text.sentences(curve)]
        if curve is not None
        else [],
        trend=[wording.tie(s) for s in findings.trend(metrics)],
        warnings=[
            {key: wording.tie(value) for key, value in warning.items()}
            for warning in findings.warnings(metrics, split)
        ],
        caveats=[
            *map(wording.tie, findings.caveats(metrics, split, runs)),
            *config.get("notes", []),
        ],
        provenance={
            "commits": common(runs, "commit"),
            "dirty": any(run.get("dirty") for run in runs),
            "versions": common(runs, "versions"),
            "hardware": common(runs, "hardware"),
            "train_seconds": sum(run["train_seconds"] for run in runs),
            "trainings": len(runs),
        },
    )

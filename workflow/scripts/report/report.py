"""Write the study's report: one HTML file that opens offline."""

import argparse
from pathlib import Path

import pandas as pd

from equimorph.io import read_json, read_paths, run, write_text
from equimorph.report.render import embed_figures, read_captions, render


def main(argv: list[str] | None = None) -> None:
    """Read what the study has produced; write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json")
    parser.add_argument("--verified-json", type=Path, required=True, help="the raw file's facts")
    parser.add_argument("--audit-json", type=Path, required=True, help="the catalogue's audit")
    parser.add_argument("--split-json", type=Path, required=True, help="the split's description")
    parser.add_argument(
        "--runs", type=Path, required=True, help="list of run.json of every training, one a line"
    )
    parser.add_argument("--config", type=Path, required=True, help="the study's config, JSON")
    parser.add_argument(
        "--figures", nargs="+", type=Path, required=True, help="SVG and WebP files, known by name"
    )
    parser.add_argument("--label-curve", type=Path, help="label_curve.csv, where there is one")
    parser.add_argument(
        "--analyses", nargs="*", type=Path, default=[], help="<analysis>.json of those that ran"
    )
    parser.add_argument("--map", type=Path, help="what the interactive map shows, JSON")
    parser.add_argument("--map-code", type=Path, help="the map's JavaScript")
    parser.add_argument(
        "--captions", type=Path, required=True, help="folder with <figure>.rst captions"
    )
    parser.add_argument("--template", type=Path, required=True, help="Jinja2 template, HTML")
    parser.add_argument("--output", type=Path, required=True, help="report, HTML")
    arguments = parser.parse_args(argv)

    html = render(
        arguments.template.read_text(encoding="utf-8"),
        metrics=read_json(arguments.metrics),
        split=read_json(arguments.split_json),
        verified=read_json(arguments.verified_json),
        audit=read_json(arguments.audit_json),
        runs=[read_json(path) for path in read_paths(arguments.runs)],
        config=read_json(arguments.config),
        figures=embed_figures(arguments.figures),
        captions=read_captions(arguments.captions),
        curve=pd.read_csv(arguments.label_curve) if arguments.label_curve else None,
        analyses={path.stem: read_json(path) for path in arguments.analyses},
        latent_map=read_json(arguments.map) if arguments.map else None,
        map_code=arguments.map_code.read_text(encoding="utf-8") if arguments.map_code else "",
    )
    write_text(arguments.output, html)


if __name__ == "__main__":
    run(main)

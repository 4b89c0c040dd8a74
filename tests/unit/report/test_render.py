"""From predictions to the report, through the scripts themselves."""

import base64
import json
import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import numpy as np
import pandas as pd
import pytest
import yaml

from equimorph.errors import InputError
from equimorph.evaluation.metrics import METRICS
from equimorph.evaluation.predictions import write_predictions
from equimorph.io import write_json
from equimorph.report.render import embed_figures, read_captions
from tests.scripts import load
from tests.unit.report.analyses import latent_map, numbers

CLASSES = ["Round", "Cigar <b>& co</b>", "Spiral"]
MODELS = {"CNN": (None, 1), "C4": ("C4", 4), "D4": ("D4", 8)}
CONDITIONS = ["clean", "rotated", "noise-50"]
SEEDS = [0, 1]
TEMPLATE = "workflow/report/report.html.j2"
SHA = "ab" * 32
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Collect tags, addresses and text; fail on tags that do not nest."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.addresses, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        """Note the tag and its addresses."""
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "srcset", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that it closes the tag opened last."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note the text that a reader sees."""
        if "style" not in self.open:
            self.text.append(data)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_model(folder, name, labels):
    """Write the runs, histories and predictions of one model with random logits."""
    group, order = MODELS[name]
    for seed in SEEDS:
        generator = np.random.default_rng([seed, order])
        write(
            folder / f"models/{name}/seed-{seed}/run.json",
            {
                "model": name,
                "architecture": "gcnn" if group else "cnn",
                "group": group,
                "group_order": order,
                "parameters": 1234 * order,
                "macs": 5_000_000 * order,
                "executed_macs": 4_000_000 * order,
                "input_size": 33,
                "train_images": 90,
                "train_seconds": 12.0,
                "validation_accuracy": 0.5 + order / 100 + seed / 50,
                "validation_loss": 1.5 - order / 100 - seed / 50,
                "seed": seed,
                "split_sha256": SHA,
                "commit": "0123abcd",
                "dirty": False,
                "versions": {"torch": "2.14.0"},
                "hardware": {"cpu": "test", "cores": 2},
            },
        )
        history = pd.DataFrame({"epoch": [1, 2, 3], "validation_accuracy": 0.5, "train_loss": 1.0})
        history.to_csv(folder / f"models/{name}/seed-{seed}/history.csv", index=False)
        write(
            folder / f"equivariance/{name}/seed-{seed}.json",
            {
                **{"model": name, "group": group, "seed": seed, "angles": [0.0, 90.0, 180.0]},
                **{"error": [0.0, 1 / order, 1 / order], "accuracy": [0.5, 0.4, 0.3]},
                "reflected": {"error": 1 / order, "accuracy": 0.4},
            },
        )
        logits = {
            condition: generator.normal(size=(len(labels), 3)) + order / 4 * np.eye(3)[labels]
            for condition in CONDITIONS
        }
        path = folder / f"predictions/{name}/seed-{seed}.npz"
        write_predictions(path, np.arange(len(labels)), labels, logits)


@pytest.fixture(scope="module")
def study(tmp_path_factory, root):
    """A small study: everything that the report reads, made by the scripts before it."""
    folder = tmp_path_factory.mktemp("study")
    labels = np.tile([0, 1, 2], 20)
    subset = ["test"] * 60 + ["train"] * 90 + ["validation"] * 30
    split = pd.DataFrame({"subset": subset, "index": range(180), "label": np.tile(labels, 3)})
    split.to_csv(folder / "split.csv", index=False)
    counts = {"test": [20] * 3, "train": [30] * 3, "validation": [10] * 3, "quarantined": [0] * 3}
    write(
        folder / "split.json",
        {
            "sha256": SHA,
            "protocol": "clean",
            "leaky": False,
            "seed": 3,
            "fractions": {"train": 0.5, "validation": 1 / 6, "test": 1 / 3},
            "radius_arcsec": 67.0,
            "counts": counts,
        },
    )
    write(
        folder / "verified.json",
        {"sha256": "cd" * 32, "bytes": 4321, "images": 180, "shape": [16, 16, 3]},
    )
    write(
        folder / "audit.json",
        {"warnings": ["2 pairs lie within 67 arcsec."], "missing": {"redshift": 5}},
    )
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (180, 16, 16, 3), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    for condition in CONDITIONS:
        (folder / "conditions").mkdir(exist_ok=True)
        np.save(folder / f"conditions/{condition}.npy", images[:60])
    pd.DataFrame(
        {"index": range(180), "label": split["label"], "ra": 10.0, "dec": np.linspace(-5, 5, 180)}
    ).to_csv(folder / "catalogue.csv", index=False)
    for name in MODELS:
        write_model(folder, name, labels)
    measure_and_compare(folder)
    draw(folder)
    return folder


def paths(folder, pattern):
    return [str(path) for path in sorted(folder.glob(pattern))]


def listed(folder, name, files):
    """Write a file that lists the files, as a rule gives them to a script; return its path."""
    place = folder / f"{name}.txt"
    place.write_text("\n".join(files) + "\n")
    return str(place)


def compare_arguments(folder):
    predictions = [f"{folder}/predictions/{m}/seed-{seed}.npz" for m in MODELS for seed in SEEDS]
    return [
        "--measures",
        *[f"{folder}/measures/{name}.json" for name in MODELS],
        *["--predictions", listed(folder, "predictions", predictions)],
        *["--split-json", f"{folder}/split.json", "--verified-json", f"{folder}/verified.json"],
        *["--source", "images", "--study", "small", "--reference", "CNN"],
        *["--output", f"{folder}/metrics.json", "--tables-dir", f"{folder}/tables"],
    ]


def measure_and_compare(folder):
    measure = load("workflow/scripts/evaluate/measure.py").main
    for name in MODELS:
        predictions = [f"{folder}/predictions/{name}/seed-{seed}.npz" for seed in SEEDS]
        measure(
            [
                *["--predictions", listed(folder, "predictions", predictions)],
                *["--runs", listed(folder, "runs", paths(folder, f"models/{name}/*/run.json"))],
                *["--split-json", f"{folder}/split.json"],
                *["--class-names", *CLASSES, "--bootstrap", "200", "--seed", "1"],
                *["--output", f"{folder}/measures/{name}.json"],
            ]
        )
    load("workflow/scripts/evaluate/compare.py").main(compare_arguments(folder))


def draw(folder):
    metrics, split = ["--metrics", f"{folder}/metrics.json"], ["--split", f"{folder}/split.csv"]
    classes = ["--class-names", *CLASSES]
    conditions = [f"{folder}/conditions/{name}.npy" for name in CONDITIONS]
    for name, arguments in {
        "accuracy_by_order.svg": metrics,
        "training_curves.svg": [
            *metrics,
            "--histories",
            listed(folder, "histories", paths(folder, "models/*/*/history.csv")),
        ],
        "equivariance.svg": [
            "--equivariance",
            listed(folder, "equivariance", paths(folder, "equivariance/*/*.json")),
        ],
        "confusion.svg": metrics,
        "reliability.svg": metrics,
        "class_histogram.svg": [*split, *classes],
        "sky_map.svg": [*split, *classes, "--catalogue", f"{folder}/catalogue.csv"],
        "class_sheet.webp": [*split, *classes, "--images", f"{folder}/images.npy"],
        "condition_sheet.webp": [*split, *classes, "--conditions", *conditions],
    }.items():
        plot = load(f"workflow/scripts/report/plot_{name.split('.')[0]}.py").main
        plot([*arguments, "--output", f"{folder}/figures/{name}"])


def report(folder, root, **replaced):
    files = {
        key: f"{folder}/{key}.json" for key in ("metrics", "verified", "audit", "split")
    } | replaced
    config = yaml.safe_load((root / "config.yaml").read_text()) | replaced.get("config", {})
    write_json(folder / "config.json", config)
    load("workflow/scripts/report/report.py").main(
        [
            *["--metrics", str(files["metrics"]), "--verified-json", str(files["verified"])],
            *["--audit-json", str(files["audit"]), "--split-json", str(files["split"])],
            *["--runs", listed(folder, "runs", paths(folder, "models/*/*/run.json"))],
            *["--config", str(folder / "config.json")],
            *["--figures", *paths(folder, "figures/*")],
            *["--captions", str(replaced.get("captions", root / "workflow/report"))],
            *["--template", str(replaced.get("template", root / TEMPLATE))],
            *replaced.get("more", []),
            *["--output", f"{folder}/report.html"],
        ]
    )
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open, "a tag is left open"
    return html, page


def test_metrics_hold_what_the_study_promises(study):
    metrics = json.loads((study / "metrics.json").read_text())
    assert metrics["split"]["sha256"] == SHA
    data = {"source": "images", "sha256": "cd" * 32, "images": 180, "classes": CLASSES}
    assert metrics["data"] == data
    assert metrics["validation_choice"] == {"best_equivariant": "D4"}
    assert list(metrics["models"]) == list(MODELS)
    d4 = metrics["models"]["D4"]
    assert (d4["group_order"], d4["parameters"], d4["seeds"]) == (8, 9872, SEEDS)
    assert list(d4["conditions"]) == CONDITIONS
    clean = d4["conditions"]["clean"]
    low, high = clean["accuracy"]["ci95"]
    assert low <= clean["accuracy"]["mean"] <= high
    assert np.sum(clean["confusion"]) == 60 * len(SEEDS)
    assert [row["a"] for row in metrics["comparisons"]["noise-50"]] == ["C4", "D4"]
    better = metrics["comparisons"]["clean"][1]
    cnn = metrics["models"]["CNN"]["conditions"]["clean"]["accuracy"]["mean"]
    assert better["difference"] == pytest.approx(clean["accuracy"]["mean"] - cnn)


def test_tables_hold_the_metrics(study):
    accuracy = pd.read_csv(study / "tables/accuracy.csv")
    assert len(accuracy) == len(MODELS) * len(CONDITIONS)
    metrics = json.loads((study / "metrics.json").read_text())
    row = accuracy[(accuracy["model"] == "C4") & (accuracy["condition"] == "rotated")].iloc[0]
    expected = metrics["models"]["C4"]["conditions"]["rotated"]["accuracy"]
    assert row["mean"] == pytest.approx(expected["mean"], rel=1e-5)
    assert [row["ci95_low"], row["ci95_high"]] == pytest.approx(expected["ci95"], rel=1e-5)
    per_class = pd.read_csv(study / "tables/per_class.csv")
    assert set(per_class["class"]) == set(CLASSES)
    assert len(pd.read_csv(study / "tables/comparisons.csv")) == 2 * len(CONDITIONS)


def test_every_metric_is_in_the_metrics_the_table_and_the_report(study, root):
    clean = json.loads((study / "metrics.json").read_text())["models"]["C4"]["conditions"]["clean"]
    table = pd.read_csv(study / "tables/accuracy.csv").set_index(["model", "condition"])
    text = " ".join(report(study, root)[1].text)
    for name, metric in METRICS.items():
        mean = clean[name]["mean"]
        column = "mean" if name == "accuracy" else name
        assert table.loc[("C4", "clean"), column] == pytest.approx(mean, rel=1e-5)
        assert metric.label in text
        assert (f"{100 * mean:.1f} ±" if metric.in_per_cent else f"{mean:.3f} ±") in text


def test_models_of_another_split_are_refused(study, tmp_path):
    split = json.loads((study / "split.json").read_text())
    other = write(tmp_path / "split.json", {**split, "sha256": "ef" * 32})
    arguments = compare_arguments(study)
    arguments[arguments.index("--split-json") + 1] = str(other)
    with pytest.raises(InputError, match="was trained on split abab"):
        load("workflow/scripts/evaluate/compare.py").main(arguments)


def test_an_unknown_reference_is_refused(study):
    arguments = compare_arguments(study)
    arguments[arguments.index("--reference") + 1] = "ViT"
    with pytest.raises(InputError, match="allowed are CNN, C4, D4"):
        load("workflow/scripts/evaluate/compare.py").main(arguments)


def test_report_is_one_page_that_needs_nothing_else(study, root):
    html, page = report(study, root)
    assert page.tags.count("img") == 9
    assert all(re.match(r"data:image/|#|classify\.html$", address) for address in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "@import" not in html
    assert "url(" not in html
    for anchor in [address[1:] for address in page.addresses if address.startswith("#")]:
        assert f'id="{anchor}"' in html


def test_figures_are_in_the_report_as_they_are_in_their_files(study, root):
    html, _ = report(study, root)
    addresses = re.findall(r'<img src="([^"]+)"', html)
    assert len(addresses) == 9
    files = {path.read_bytes().strip() for path in (study / "figures").iterdir()}
    for address in addresses:
        kind, content = unescape(address).split(",", 1)
        decode = base64.b64decode if kind.endswith(";base64") else unquote_to_bytes
        assert decode(content) in files
        assert kind in ("data:image/svg+xml", "data:image/webp;base64")
    # A drawing takes little more than its file.
    drawings = sum(path.stat().st_size for path in (study / "figures").glob("*.svg"))
    assert sum(len(a) for a in addresses if "svg" in a[:20]) < 1.3 * drawings


def test_report_names_every_model_condition_class_and_provenance(study, root):
    text = " ".join(report(study, root)[1].text).replace("\N{NO-BREAK SPACE}", " ")
    for name in (*MODELS, "clean", "rotated", "noise 50 %", *CLASSES):
        assert name in text
    for fact in (SHA, "cd" * 32, "0123abcd", "torch 2.14.0", "protocol clean", "4,321 bytes"):
        assert fact in text
    metrics = json.loads((study / "metrics.json").read_text())
    for name in MODELS:
        mean = metrics["models"][name]["conditions"]["rotated"]["accuracy"]["mean"]
        assert f"{100 * mean:.1f} ±" in text
    assert "2 pairs lie within 67 arcsec." in text
    assert [f"Figure {k}." in text for k in range(1, 10)] == [True] * 9


def test_leak_warning_appears_only_for_a_leaky_split(study, root, tmp_path):
    assert "Leaky split" not in report(study, root)[0]
    leaky = {"leaky": True, "protocol": "legacy_leaky"}
    split = json.loads((study / "split.json").read_text())
    metrics = json.loads((study / "metrics.json").read_text())
    metrics["split"].update(leaky)
    overlap = {"test_in_train": {"galaxies": 38, "share": 0.633}}
    html, page = report(
        study,
        root,
        split=write(
            tmp_path / "s.json", {**split, **leaky, "radius_arcsec": None, "overlap": overlap}
        ),
        metrics=write(tmp_path / "m.json", metrics),
    )
    text = " ".join(page.text)
    assert "Leaky split: these accuracies are not held-out accuracies" in text
    assert "38 of 60 test galaxies" in text
    assert 'class="box danger"' in html


def test_everything_printed_is_escaped(study, root):
    config = {"notes": ["<script>alert('note')</script> & more"]}
    html, page = report(study, root, config=config)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in html
    assert "Cigar &lt;b&gt;&amp; co&lt;/b&gt;" in html
    assert "<script>alert('note')</script> & more" in " ".join(page.text)


def test_figures_without_a_place_or_a_caption_are_refused(study, root, tmp_path):
    without = tmp_path / "report.html.j2"
    without.write_text((root / TEMPLATE).read_text().replace('{{ figure("confusion") }}', ""))
    with pytest.raises(InputError, match="no place for confusion: .* shows each figure by"):
        report(study, root, template=without)
    with pytest.raises(InputError, match="must be one of"):
        embed_figures([tmp_path / "confusion.pdf"])
    with pytest.raises(InputError, match=r"no caption for accuracy_by_order, .*needs <name>\.rst"):
        report(study, root, captions=tmp_path)
    captions = read_captions(root / "workflow/report")
    assert len(captions["accuracy_by_order"]) == 2
    assert "\n" not in captions["accuracy_by_order"][0]


def test_analyses_that_have_run_have_their_sections(study, root):
    for name, content in numbers().items():
        write_json(study / f"analyses/{name}.json", content)
    write_json(study / "map.json", latent_map())
    code = root / "workflow/report/latent_map.js"
    more = ["--analyses", *paths(study, "analyses/*.json"), "--map", f"{study}/map.json"]
    html, page = report(study, root, more=[*more, "--map-code", str(code)])
    text = " ".join(" ".join(page.text).split())
    for words in (
        "One-pixel attacks",
        "victims are 2 test images that all of these networks have right, drawn from 9",
        "1 of 2",
        "Degradations, level by level",
        "Where networks look",
        "C4 change by less than 0.000001",
        "Latent space",
        "Map to explore (t-SNE of D4, 1 of 30 test images;",
        "One temperature per training",
    ):
        assert words in text, words
    data = re.search(r'<script type="application/json" id="latent-map-data">(.*?)</script>', html)
    assert json.loads(data[1])["classes"] == ["</script>"]
    assert "getContext" in html
    # ECE and Brier score stand in the analysis's table, and in no other.
    assert html.count("<th>ECE</th>") == html.count("<th>Brier score</th>") == 1
    assert html.count("<th>macro-F1 (%)</th>") == 1


def test_networks_that_were_not_analysed_keep_their_calibration_error(study, root):
    measured = numbers()["calibration"]
    measured["networks"] = dict(list(measured["networks"].items())[:1])
    write_json(study / "analyses/calibration.json", measured)
    html, _ = report(study, root, more=["--analyses", f"{study}/analyses/calibration.json"])
    assert html.count("<th>ECE</th>") == 2  # of all networks, and of the one before and after


def test_without_analyses_nothing_is_said_of_them(study, root):
    html, page = report(study, root)
    text = " ".join(page.text)
    assert "One-pixel" not in text and "temperature" not in text and "<script" not in html
    for metric in ("macro-F1 (%)", "ECE", "Brier score"):
        assert html.count(f"<th>{metric}</th>") == 1, metric

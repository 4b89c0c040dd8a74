"""The scripts of the analyses, from a checkpoint to their files."""

import json

import numpy as np
import pandas as pd
import pytest

from equimorph.analyses.attack_file import read_attacked
from equimorph.evaluation.predictions import write_predictions
from equimorph.io import read_json, write_json
from equimorph.models.checkpoint import learned_state, save_checkpoint
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from equimorph.study.models import resolve
from tests.jobs import TRUNK
from tests.scripts import load
from tests.unit.networks import checkpoint_metadata, galaxies, initialised, settled

IMAGES = 12
CLASSES = ["round", "long", "edge"]
METRICS = {
    "models": {"CNN": {"group": None, "group_order": 1}, "C4": {"group": "C4", "group_order": 4}},
    "reference": "CNN",
    "validation_choice": {"best_equivariant": "C4"},
    "data": {"classes": CLASSES},
    "bootstrap": {"draws": 100, "seed": 0},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two networks at drawn weights, a test set, and what they predict of it."""
    folder = tmp_path_factory.mktemp("study")
    images = galaxies(33, IMAGES).byte()
    np.save(folder / "clean.npy", images.permute(0, 2, 3, 1).numpy())
    for name in ("CNN", "C4"):
        specification = resolve(name, {}, TRUNK)
        network = settled(initialised(specification, len(CLASSES)), images.float())
        metadata = checkpoint_metadata(specification, CLASSES)
        path = folder / f"models/{name}/seed-0/model.safetensors"
        save_checkpoint(path, learned_state(network), {**metadata, "model": name})
    write_json(folder / "metrics.json", METRICS)
    first = load_checkpoint(folder / "models/CNN/seed-0/model.safetensors")
    labels = predict_logits(first.network, images).argmax(1).numpy()  # the CNN has all right
    index = np.arange(100, 100 + IMAGES)
    split = {"subset": "test", "index": index, "label": labels}
    pd.DataFrame(split).to_csv(folder / "split.csv", index=False)
    for name in ("CNN", "C4"):
        network = load_checkpoint(folder / f"models/{name}/seed-0/model.safetensors").network
        logits = {"clean": predict_logits(network, images).numpy()}
        path = folder / f"predictions/{name}/seed-0.npz"
        write_predictions(path, index, labels, logits)
    return folder


def plot(study, name, **options):
    """Run a script that draws; its options are files of the study, or lists of them."""
    arguments = ["--metrics", f"{study}/metrics.json"]
    for option, files in options.items():
        files = [files] if isinstance(files, str) else files
        arguments += [f"--{option.replace('_', '-')}", *(f"{study}/{file}" for file in files)]
    load(f"workflow/scripts/report/{name}.py").main(arguments)
    made = [study / str(files) for option, files in options.items() if option.startswith("output")]
    assert all(path.stat().st_size > 1000 for path in made)


def choose(study, at_most=3):
    predictions = [f"{study}/predictions/{name}/seed-0.npz" for name in ("CNN", "C4")]
    victims = study / "victims.json"
    load("workflow/scripts/analyses/victims.py").main(
        ["--predictions", *predictions, "--at-most", str(at_most), "--seed", "0"]
        + ["--output", str(victims)]
    )
    return victims


def attack(study, victims, output, script=None, model="CNN"):
    evolution = json.dumps({"population": 10, "generations": 2, "factor": 0.5})
    (script or load("workflow/scripts/analyses/attack.py")).main(
        ["--model", f"{study}/models/{model}/seed-0/model.safetensors", "--seed", "1"]
        + ["--images", f"{study}/clean.npy", "--split", f"{study}/split.csv"]
        + ["--victims", str(victims), "--methods", "exhaustion", "evolution"]
        + ["--evolution", evolution, "--resume", f"{output}.resume", "--output", str(output)]
    )


def test_from_predictions_to_rates(study):
    victims = choose(study)
    for name in ("CNN", "C4"):
        attack(study, victims, study / f"{name}.npz", model=name)
    found = read_attacked(study / "CNN.npz")
    chosen = read_json(victims)
    assert set(found.position) == {*chosen["common"], *chosen["own"]["CNN"]}
    exhausted = found.by_method["exhaustion"]
    assert len(set(exhausted.queries)) == 1 and exhausted.queries[0] % 8 == 0
    load("workflow/scripts/analyses/measure_attacks.py").main(
        ["--attacks", f"{study}/CNN.npz", f"{study}/C4.npz", "--victims", str(victims)]
        + ["--metrics", f"{study}/metrics.json", "--output", f"{study}/attack.json"]
        + ["--output-table", f"{study}/attack.csv"]
    )
    table = pd.read_csv(study / "attack.csv")
    row = table.query("method == 'exhaustion' and model == 'CNN' and victims == 'common'").iloc[0]
    rows = np.isin(found.position, chosen["common"])
    assert row["successes"] == exhausted.success[rows].sum()
    plot(study, "plot_attack_rates", measures="attack.json", output="attack_rates.svg")
    attacks = ["CNN.npz", "C4.npz"]
    plot(study, "plot_attack_examples", attacks=attacks, output="attack_examples.svg")


def test_an_attack_that_was_stopped_goes_on_and_ends_the_same(study, tmp_path):
    victims = choose(study, at_most=6)
    attack(study, victims, tmp_path / "whole.npz")

    script = load("workflow/scripts/analyses/attack.py")
    exhaust, calls = script.exhaust, []

    def interrupted(*arguments):
        calls.append(len(arguments[1]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return exhaust(*arguments)

    script.exhaust = interrupted
    with pytest.raises(KeyboardInterrupt):
        attack(study, victims, tmp_path / "stopped.npz", script)
    assert not (tmp_path / "stopped.npz").exists()
    assert len(list((tmp_path / "stopped.npz.resume").iterdir())) == 1
    attack(study, victims, tmp_path / "stopped.npz", script)
    # Each chunk once, but for the one that was stopped.
    assert sum(calls) == len(read_attacked(tmp_path / "whole.npz").position) + calls[1]
    assert (tmp_path / "stopped.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not (tmp_path / "stopped.npz.resume").exists()


def test_explanations_of_an_invariant_network_turn_with_the_image(study):
    script = load("workflow/scripts/analyses/explain.py")
    for name in ("CNN", "C4"):
        script.main(
            ["--model", f"{study}/models/{name}/seed-0/model.safetensors"]
            + ["--split", f"{study}/split.csv", "--conditions", f"{study}/clean.npy"]
            + ["--images", "5", "--output", f"{study}/explained/{name}.npz"]
        )
    load("workflow/scripts/analyses/measure_explanations.py").main(
        ["--explanations", f"{study}/explained/CNN.npz", f"{study}/explained/C4.npz"]
        + ["--output", f"{study}/explanation.json"]
    )
    errors = read_json(study / "explanation.json")["turned_error"]
    assert errors["C4"] < 1e-5 and errors["CNN"] > 1e-3
    plot(
        study,
        "plot_explanations",
        explanations=["explained/CNN.npz", "explained/C4.npz"],
        output_maps="explanation.webp",
        output_features="feature_maps.webp",
    )
    with np.load(study / "explained/C4.npz") as stored:
        assert stored["maps"].shape == (1, 5, 33, 33) and stored["features/first"].shape[0] == 4


def test_one_image_of_each_class_in_turn():
    choose_images = load("workflow/scripts/analyses/explain.py").one_of_each
    label = np.array([0, 0, 1, 2, 1, 2, 0])
    assert choose_images(label, 4).tolist() == [0, 2, 3, 1]
    assert choose_images(label, 50).tolist() == [0, 2, 3, 1, 4, 5, 6]


def test_from_embeddings_to_measures(study):
    np.save(study / "dark.npy", np.load(study / "clean.npy") // 2)
    victims = choose(study, at_most=4)
    for name in ("CNN", "C4"):
        attack(study, victims, study / f"latent-{name}.npz", model=name)
        load("workflow/scripts/analyses/embed.py").main(
            ["--model", f"{study}/models/{name}/seed-0/model.safetensors"]
            + ["--split", f"{study}/split.csv", "--methods", "pca", "isomap", "--seed", "0"]
            + ["--conditions", f"{study}/clean.npy", f"{study}/dark.npy"]
            + ["--attacks", f"{study}/latent-{name}.npz"]
            + ["--output", f"{study}/latent/{name}.npz"]
        )
    load("workflow/scripts/analyses/measure_latent.py").main(
        ["--embeddings", f"{study}/latent/CNN.npz", f"{study}/latent/C4.npz"]
        + ["--metrics", f"{study}/metrics.json", "--output", f"{study}/latent.json"]
    )
    with np.load(study / "latent/C4.npz") as stored:
        assert stored["maps"].shape == (2, IMAGES, 2) and stored["index"][0] == 100
        assert stored["conditions"].tolist() == ["dark"] and (stored["distances"] > 0).all()
    networks = read_json(study / "latent.json")["networks"]
    assert set(networks) == {"CNN", "C4"}
    found = read_attacked(study / "latent-CNN.npz")
    with np.load(study / "latent/CNN.npz") as stored:
        assert len(stored["attacked"]) == len(found.position) and (stored["attacked"] > 0).all()
        fooled = found.by_method["exhaustion"].success
        assert stored["fooled"].tolist() == fooled.tolist()
    assert networks["CNN"]["distances"]["one-pixel"]["all"]["mean"] > 0
    assert 0 <= networks["CNN"]["purity"]["mean"] <= 1
    embeddings = ["latent/CNN.npz", "latent/C4.npz"]
    plot(
        study,
        "plot_latent",
        embeddings=embeddings,
        measures="latent.json",
        output_maps="latent_maps.svg",
        output_numbers="latent_numbers.svg",
    )
    plot(study, "map_latent", embeddings=embeddings, images="clean.npy", output="map.json")
    shown = read_json(study / "map.json")
    assert (shown["model"], shown["method"]) == ("C4", "PCA") and len(shown["x"]) == IMAGES


def test_temperatures_are_fitted_on_the_validation_images(study, tmp_path):
    label = pd.read_csv(study / "split.csv")["label"]
    np.save(tmp_path / "images.npy", np.concatenate([np.load(study / "clean.npy")] * 2))
    rows = {"subset": ["validation"] * IMAGES + ["test"] * IMAGES, "index": range(2 * IMAGES)}
    pd.DataFrame({**rows, "label": [*label, *label]}).to_csv(tmp_path / "split.csv", index=False)
    calibrate = load("workflow/scripts/analyses/calibrate.py").main
    for name in ("CNN", "C4"):
        calibrate(
            ["--models", f"{study}/models/{name}/seed-0/model.safetensors"]
            + ["--predictions", f"{study}/predictions/{name}/seed-0.npz"]
            + ["--images", f"{tmp_path}/images.npy", "--split", f"{tmp_path}/split.csv"]
            + ["--output", f"{tmp_path}/{name}.json"]
        )
    load("workflow/scripts/analyses/measure_calibration.py").main(
        ["--calibrations", f"{tmp_path}/CNN.json", f"{tmp_path}/C4.json"]
        + ["--output", f"{tmp_path}/all.json", "--output-table", f"{tmp_path}/all.csv"]
    )
    # The CNN is always right on these images, so the lowest temperature is the best.
    networks = read_json(tmp_path / "all.json")["networks"]
    assert networks["CNN"]["temperature"]["mean"] < 0.1
    assert networks["CNN"]["after"]["nll"]["mean"] < networks["CNN"]["before"]["nll"]["mean"]
    write_json(tmp_path / "metrics.json", METRICS)
    plot(tmp_path, "plot_calibration", measures="all.json", output="calibration.svg")
    table = pd.read_csv(tmp_path / "all.csv")
    assert list(table["when"]) == ["before", "after"] * 2 and "error of long" in table


def test_from_predictions_of_levels_to_curves(study, tmp_path):
    label = pd.read_csv(study / "split.csv")["label"].to_numpy()
    sweeps = {"jpeg": {"kind": "jpeg", "quality": [90, 10]}}
    write_json(tmp_path / "sweeps.json", sweeps)
    paths = []
    for number, name in enumerate(("CNN", "C4")):
        right, wrong = 9 * np.eye(3)[label], 9 * np.eye(3)[(label + 1) % 3]
        logits = {"jpeg+90": right, "jpeg+10": wrong if number else right}
        paths.append(tmp_path / f"{name}/seed-0.npz")
        write_predictions(paths[-1], np.arange(IMAGES), label, logits)
    (tmp_path / "list").write_text("\n".join(map(str, paths)))
    load("workflow/scripts/analyses/measure_sweeps.py").main(
        ["--predictions", f"{tmp_path}/list", "--sweeps", f"{tmp_path}/sweeps.json"]
        + ["--reference", "CNN", "--bootstrap", "100", "--output", f"{tmp_path}/curves.json"]
        + ["--output-table", f"{tmp_path}/curves.csv"]
    )
    measured = read_json(tmp_path / "curves.json")["jpeg"]
    assert measured["values"] == [10, 90] and measured["axis"]["falling"]
    assert measured["networks"]["C4"]["area"]["mean"] == 0.5
    assert measured["comparisons"][0]["difference"] == -0.5
    write_json(tmp_path / "metrics.json", METRICS)
    plot(tmp_path, "plot_sweeps", measures="curves.json", output="sweeps.svg")


def test_from_images_to_the_figures_of_the_data(study, tmp_path):
    images = np.load(study / "clean.npy")
    np.save(tmp_path / "images.npy", images)
    label = np.arange(IMAGES) % 3
    index = {"index": range(IMAGES), "label": label}
    pd.DataFrame({"subset": "train", **index}).to_csv(tmp_path / "split.csv", index=False)
    named = {"class_name": [CLASSES[k] for k in label], "ra": 1.0, "dec": 2.0, "redshift": 0.1}
    catalogue = pd.DataFrame({**index, **named, "pxscale": 1.0})
    catalogue.to_csv(tmp_path / "catalogue.csv", index=False)
    ranges = {"rotation": 180, "flip": 0.5, "scale": 1.1, "shift": 0, "brightness": 0}
    write_json(tmp_path / "ranges.json", ranges)
    load("workflow/scripts/analyses/explore.py").main(
        ["--images", f"{tmp_path}/images.npy", "--catalogue", f"{tmp_path}/catalogue.csv"]
        + ["--split", f"{tmp_path}/split.csv", "--class-names", *CLASSES, "--seed", "0"]
        + ["--augmentation", f"{tmp_path}/ranges.json", "--output-sheets", f"{tmp_path}/s.npz"]
        + ["--output-galaxies", f"{tmp_path}/g.csv", "--output-medians", f"{tmp_path}/m.json"]
    )
    assert read_json(tmp_path / "m.json")["classes"]["long"]["redshift"]["galaxies"] == 4
    figures = {
        "--output-galaxies": tmp_path / "galaxies.svg",
        "--output-preparations": tmp_path / "prepared.webp",
        "--output-augmentations": tmp_path / "augmented.webp",
    }
    load("workflow/scripts/report/plot_exploration.py").main(
        ["--galaxies", f"{tmp_path}/g.csv", "--sheets", f"{tmp_path}/s.npz", "--class-names"]
        + [*CLASSES, *(str(text) for pair in figures.items() for text in pair)]
    )
    assert all(figure.stat().st_size > 1000 for figure in figures.values())

"""Classification as a user does it: the workflow's own probabilities, certificates, warnings."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import equimorph
from equimorph.classify.classifier import load
from equimorph.classify.companion import COMPANION, MODEL, load_companion, save_companion
from equimorph.classify.images import Galaxy
from equimorph.errors import InputError
from equimorph.evaluation.temperature import calibrated
from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint
from tests.unit.classify.conftest import CLASSES, TEST, TRAIN, make_study

SLOW = pytest.param("CBFocal-CNN", marks=pytest.mark.slow)  # has no list of layers


def table(predictions):
    """Return the probabilities, (N, classes)."""
    return np.array([[*prediction.probabilities.values()] for prediction in predictions])


def test_probabilities_are_those_of_the_workflows_prediction(study, classifier):
    checkpoint = load_checkpoint(study.folder / "classifier" / MODEL)
    logits = predict_logits(checkpoint.network, *checkpoint.prepare(study.images))
    expected = calibrated(logits.numpy(), study.companion.temperature)
    found = classifier.predict(study.images, certificate=False)
    assert np.abs(table(found) - expected).max() < 1e-5
    assert list(found[0].probabilities) == CLASSES
    right = [p.label == CLASSES[label] for p, label in zip(found, study.labels, strict=True)]
    assert np.mean(np.array(right)[list(TEST)]) > 0.65  # a seventh of the labels is wrong


def test_all_kinds_of_input_are_one_image(study, classifier, tmp_path):
    pixels = study.images[200]
    path = tmp_path / "galaxy.png"
    Image.fromarray(pixels).save(path)
    tensor = torch.from_numpy(pixels.copy())
    kinds = [str(path), path, Image.open(path), pixels, tensor, tensor.permute(2, 0, 1)]
    found = classifier.predict([*kinds], certificate=False)
    assert np.ptp(table(found), axis=0).max() < 1e-6
    (alone,) = classifier.predict(pixels, certificate=False)
    assert alone.probabilities == pytest.approx(found[0].probabilities, abs=1e-6)
    assert [p.name for p in found] == [str(path)] * 2 + [f"image {n}" for n in range(2, 6)]


def test_images_of_several_sizes_come_back_in_order(study, classifier):
    large = [np.asarray(Image.fromarray(one).resize((66, 66))) for one in study.images[:3]]
    mixed = [study.images[0], large[1], study.images[2], large[0]]
    found = classifier.predict(mixed, certificate=False)
    alone = [classifier.predict(one, certificate=False)[0] for one in mixed]
    assert table(found) == pytest.approx(table(alone), abs=1e-6)
    assert np.ptp(table(found), axis=0).max() > 0.01


def test_a_scale_cuts_the_field_of_the_training_images(study, classifier):
    wide = np.pad(study.images[:2], [(0, 0), (10, 10), (10, 10), (0, 0)])
    found = classifier.predict(wide, pixel_scale=2.0, certificate=False)
    expected = classifier.predict(study.images[:2], certificate=False)
    assert table(found) == pytest.approx(table(expected), abs=1e-6)
    with pytest.raises(InputError, match="image 0 and 1 more: images of 16.5 arcsec .* 66.0"):
        classifier.predict(study.images[:2], pixel_scale=0.5)


def test_the_certificate_is_zero_at_quarter_turns_of_d4_alone(study, classifier, tmp_path):
    certificates = [p.certificate for p in classifier.predict(study.images[TEST[0] : TEST[0] + 8])]
    assert all(one.at_quarter_turns == one.mirrored == 0 for one in certificates)
    assert all(0 <= one.largest_change < 1 for one in certificates)
    assert max(one.largest_change for one in certificates) > 1e-4  # turns by 22.5 degrees resample
    plain = load(make_study(tmp_path, "CNN").folder)
    moved = [p.certificate for p in plain.predict(study.images[:8])]
    assert max(one.at_quarter_turns for one in moved) > 1e-3
    assert all(one.largest_change >= max(one.at_quarter_turns, one.mirrored) for one in moved)


def test_the_certificate_is_the_largest_change_that_turning_by_hand_finds(study, tmp_path):
    plain = load(make_study(tmp_path, "CNN").folder)
    (prediction,) = plain.predict(study.images[5])
    turned = [np.rot90(study.images[5], k).copy() for k in range(4)]
    straight = table(plain.predict(turned, certificate=False))
    mirrored = table(plain.predict([one[:, ::-1].copy() for one in turned], certificate=False))
    expected = [np.abs(each - straight[0]).max() for each in (straight, mirrored)]
    found = prediction.certificate
    assert [found.at_quarter_turns, found.mirrored] == pytest.approx(expected, abs=2e-5)


def test_usual_images_pass_and_noise_is_warned_about(study, classifier):
    usual = classifier.predict(study.images[list(TEST)], certificate=False)
    assert sum(p.warning is not None for p in usual) <= 6
    noise = np.random.default_rng(0).integers(0, 256, (20, 33, 33, 3), dtype=np.uint8)
    found = classifier.predict(noise, certificate=False)
    assert all(p.warning is not None and p.outlier_score > 1 for p in found)


def test_a_training_image_is_its_own_nearest_neighbour(study, classifier):
    (found,) = classifier.predict(study.images[TRAIN[7]], certificate=False)
    first, *others = found.neighbours
    assert (first.index, first.label) == (7, CLASSES[study.labels[7]])
    assert (first.ra, first.dec) == (3.5, -28.25)
    assert first.similarity == pytest.approx(1, abs=1e-3)  # kept in half precision
    assert len(others) == 4 and all(one.similarity <= first.similarity for one in others)


def test_embeddings_are_those_that_neighbours_are_found_by(study, classifier):
    found = classifier.embed(study.images[:4])
    assert found == pytest.approx(study.companion.training.embeddings[:4].astype(float), abs=0.01)
    assert classifier.embed([]).size == 0


def test_a_bare_checkpoint_predicts_without_calibration(study, tmp_path, classifier):
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes((study.folder / "classifier" / MODEL).read_bytes())
    loaded = load(bare)
    (found,) = loaded.predict(study.images[0], certificate=False)
    assert loaded.temperature == 1 and loaded.companion is None
    assert found.warning is None and found.outlier_score is None and found.neighbours == []
    logits = np.log([*classifier.predict(study.images[0])[0].probabilities.values()])
    expected = calibrated(logits[None] * classifier.temperature, 1.0)
    assert [*found.probabilities.values()] == pytest.approx(expected[0], abs=1e-4)


def test_a_companion_of_another_checkpoint_is_refused(study, tmp_path):
    other = make_study(tmp_path, "C4").folder / "classifier"
    (other / COMPANION).write_bytes((study.folder / "classifier" / COMPANION).read_bytes())
    with pytest.raises(InputError, match=f"{COMPANION}: belongs to another checkpoint than"):
        load(other)


@pytest.mark.parametrize("name", ["CNN-orbit", "C8", SLOW])
def test_networks_of_other_kinds_load_too(study, tmp_path, name):
    found = load(make_study(tmp_path, name).folder).predict(study.images[:3], certificate=False)
    checkpoint = load_checkpoint(tmp_path / "classifier" / MODEL)
    logits = predict_logits(checkpoint.network, *checkpoint.prepare(study.images[:3]))
    expected = calibrated(logits.numpy(), load(tmp_path).temperature)
    assert table(found) == pytest.approx(expected, abs=1e-5)


def test_the_package_offers_it_and_needs_no_escnn(study):
    code = (
        "import sys; sys.modules['escnn'] = None; import equimorph, numpy;"
        f"found = equimorph.load({str(study.folder)!r}).predict("
        "numpy.zeros((33, 33, 3), numpy.uint8)); print(found[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("image 0: ") and "by quarter turns 0.0%" in done.stdout
    assert isinstance(equimorph.load(study.folder), type(load(study.folder)))


def test_what_is_printed_names_classes_certificate_and_warning(study, classifier):
    noise = Galaxy("noise", np.random.default_rng(1).integers(0, 256, (33, 33, 3), dtype=np.uint8))
    (found,) = classifier.predict_galaxies([noise], certificate=True)
    lines = str(found).splitlines()
    assert lines[0].startswith("noise: ") and f"{found.label} " in lines[0]
    assert lines[1].startswith("  turned and mirrored, no probability changes by more than ")
    assert lines[2] == f"  warning: {found.warning}"


def test_what_a_notebook_shows_is_one_line(classifier):
    assert repr(classifier) == f"<Classifier D4: {len(CLASSES)} classes, a field of 66.0 arcsec>"
    scaleless = replace(classifier.checkpoint.preparation, pixel_scale=None)
    bare = replace(classifier.checkpoint, preparation=scaleless, metadata={"classes": CLASSES})
    assert repr(replace(classifier, checkpoint=bare)) == (
        f"<Classifier without a name: {len(CLASSES)} classes>"
    )


def test_a_pixel_scale_that_leaves_nothing_is_refused(classifier):
    wide = np.zeros((300, 300, 3), np.uint8)
    with pytest.raises(InputError, match=r"pixel scale 100: .* has fewer than 8 px"):
        classifier.predict(wide, pixel_scale=100)
    with pytest.raises(InputError, match="pixel scale 0: allowed are numbers above 0"):
        classifier.predict(wide, pixel_scale=0)


def test_a_companion_whose_network_gives_no_probabilities_is_refused(study, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(study.folder / "classifier", folder)
    companion = load_companion(folder / COMPANION, len(CLASSES))
    spoilt = {name: tensor * np.nan for name, tensor in companion.tensors.items()}
    save_companion(folder / COMPANION, replace(companion, tensors=spoilt))
    with pytest.raises(InputError, match="its network does not fit the checkpoint's classes"):
        load(folder)

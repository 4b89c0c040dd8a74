"""The report says how networks were trained, as the config has it."""

import copy

import pytest

from equimorph.report.recipe_text import describe_kept, describe_recipe
from equimorph.study.yaml_files import merged, read_yaml


def said(root, **changes):
    train = copy.deepcopy(read_yaml(root / "config.yaml")["train"])
    return describe_recipe(merged(train, changes))


def test_the_default_recipe(root):
    text = said(root)
    assert "AdamW with a one-cycle schedule (peak learning rate 0.01)" in text
    assert "label smoothing 0.1, at most 20 epochs in batches of 32; the same random" in text
    assert "focal" not in text and "mixup" not in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimiser": "sgd", "schedule": {"kind": "constant"}}, "SGD with a constant learning"),
        ({"schedule": {"kind": "plateau", "monitor": "accuracy"}}, "the validation accuracy stays"),
        ({"schedule": {"kind": "multi_step"}}, "falls after given epochs"),
        ({"schedule": {"kind": "cosine"}}, "cosine schedules with restarts"),
        ({"loss": {"gamma": 2}}, "focal loss (gamma 2)"),
        ({"loss": {"class_weights": "effective", "beta": 0.9999}}, "weights (beta 0.9999)"),
        ({"loss": {"class_weights": "inverse"}}, "class weights"),
        ({"start_from": "pretrained", "labels": 1250}, "trained before, 1,250 of the labels, at"),
        ({"augmentation": {"noise": 0.75}}, "photon noise that takes up to 75 % of the SNR"),
        ({"sampler": "over"}, "small classes shown as often as the largest"),
        (
            {"grad_clip": 1, "mixup": 0.2, "ema": 0.99},
            "norm of 1, mixup (0.2), an average of the wei",
        ),
        ({"drop_last": False}, "in batches of 32, the last one smaller"),
        ({"augmentation": {"fill": "black"}}, "brightness (black where they reach out of"),
        ({"augmentation": {"interpolation": "nearest"}}, "brightness (nearest pixels)"),
        ({"augmentation": {"contrast": 0.2, "crop_area": [0.8, 1]}}, "zooms, resized crops, chan"),
    ],
)
def test_what_differs_is_said(root, changes, expected):
    assert expected in said(root, **changes)


def test_no_augmentation(root):
    off = {"rotation": 0, "flip": 0, "scale": 1, "shift": 0, "brightness": 0}
    assert said(root, augmentation=off).endswith("images as they are")


def test_which_epoch_is_kept(root):
    train = read_yaml(root / "config.yaml")["train"]
    assert describe_kept(train) == "the best epoch on validation"
    assert describe_kept({**train, "keep": "last"}) == "the last epoch"
    assert "highest validation accuracy" in describe_kept({**train, "keep": "accuracy"})

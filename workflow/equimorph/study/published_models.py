"""The networks of the four published systems by name, as a study's `models` would define them.

S1: Pandya et al. 2023, arXiv:2311.01500; S2: the C4 network with class-balanced focal loss; S3:
DeepCNN-5Block; S4: CNNs against a vision transformer. A group's name, C1 to D64, is the GCNN of S1
with that group, D8-flatten the same with S1's head, which is not invariant; they need no entry.
"""

from typing import Any

_RESNET18 = {"architecture": "e2resnet", "blocks": [2, 2, 2, 2], "bottleneck": False}
_RESNET50 = {
    "architecture": "e2resnet",
    "blocks": [3, 4, 6, 3],
    "bottleneck": True,
    "base_width": 64,
}
_SHORT50 = {**_RESNET50, "blocks": [3, 2, 2, 2]}
_PROBE = {"architecture": "backbone", "weights": "imagenet", "trainable": "head"}
_TUNED = {**_PROBE, "trainable": "all"}

PUBLISHED: dict[str, dict[str, Any]] = {
    # S1
    "CNN": {"architecture": "cnn"},
    "CNN-flatten": {"architecture": "cnn", "head": "flatten"},
    "CNN-orbit": {"architecture": "cnn", "orbit": "D4"},
    "SO2": {"architecture": "harmonic", "group": "SO2"},
    "O2": {"architecture": "harmonic", "group": "O2"},
    "E2ResNet18-C1": {**_RESNET18, "group": "C1", "base_width": 80},
    "E2ResNet18-D1": {**_RESNET18, "group": "D1"},
    "E2ResNet18-C4": {**_RESNET18, "group": "C4"},
    "E2ResNet18-D4": {**_RESNET18, "group": "D4"},
    "E2ResNet18-C4-small": {**_RESNET18, "group": "C4", "blocks": [1, 1, 1, 1], "base_width": 5},
    "E2ResNet50-C4": {**_RESNET50, "group": "C4"},
    "E2ResNet50-C2-short": {**_SHORT50, "group": "C2"},
    "E2ResNet50-D4-short": {**_SHORT50, "group": "D4"},
    "E2ResNet50-C4-short": {**_SHORT50, "group": "C4"},
    "E2WRN16-8-D8-D4-D1": {"architecture": "e2wrn", "groups": ["D8", "D4", "D1"]},
    "E2WRN16-8-D8-D4-D4": {"architecture": "e2wrn", "groups": ["D8", "D4", "D4"]},
    "E2WRN16-8-D1": {"architecture": "e2wrn", "groups": ["D1", "D1", "D1"]},
    **{
        f"E2WRN28-{widen}-{name}": {
            "architecture": "e2wrn",
            "groups": groups,
            "depth": 28,
            "widen": widen,
        }
        for widen, name, groups in [
            (10, "D8-D4-D1", ["D8", "D4", "D1"]),
            (10, "C8-C4-C1", ["C8", "C4", "C1"]),
            (10, "D1", ["D1", "D1", "D1"]),
            (7, "D8-D4-D1", ["D8", "D4", "D1"]),
        ]
    },
    "ResNet18": {"architecture": "backbone", "backbone": "resnet18"},
    "ResNet50": {"architecture": "backbone", "backbone": "resnet50"},
    "WideResNet50-2": {"architecture": "backbone", "backbone": "wide_resnet50_2"},
    "DenseNet121": {"architecture": "backbone", "backbone": "densenet121"},
    # S2
    "CBFocal-ECNN": {"architecture": "cbfocal_ecnn"},
    "CBFocal-CNN": {"architecture": "cbfocal_cnn"},
    # S3
    "DeepCNN5": {"architecture": "deepcnn5"},
    # S4
    "CustomCNN": {"architecture": "custom_cnn"},
    "ViT": {"architecture": "vit"},
    "Probe-ResNet18": {**_PROBE, "backbone": "resnet18"},
    "Probe-ResNet26": {**_PROBE, "backbone": "resnet26"},
    "Probe-ResNet50": {**_PROBE, "backbone": "resnet50"},
    "Probe-VGG16": {**_PROBE, "backbone": "vgg16"},
    "Probe-VGG19": {**_PROBE, "backbone": "vgg19"},
    # S1's and, for comparison, S4's: published weights that are trained on
    "Tuned-WideResNet50-2": {**_TUNED, "backbone": "wide_resnet50_2"},
    "Tuned-DenseNet121": {**_TUNED, "backbone": "densenet121"},
    "Tuned-ResNet18": {**_TUNED, "backbone": "resnet18"},
    "Tuned-ResNet50": {**_TUNED, "backbone": "resnet50"},
}

# Side in px of the images that the published network takes; S1's 255 for all others. S2's 256
# would lose the exactness of rotations by 90 degrees.
_PUBLISHED_SIZES = {
    "CBFocal-ECNN": 257,
    "CBFocal-CNN": 256,
    "DeepCNN5": 256,
    "CustomCNN": 224,
    "ViT": 200,
    **{name: 224 for name in PUBLISHED if name.startswith(("Probe-", "Tuned-ResNet"))},
}


def published_size(name: str) -> int:
    """Return the side in px of the images that the published network takes."""
    return _PUBLISHED_SIZES.get(name, 255)

"""ImageNet backbones with a new head: fine-tuned (S1's baselines) or frozen (S4's probes)."""

import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from equimorph.errors import InputError
from equimorph.models.head import IMAGENET_MEAN, IMAGENET_SCALE, CircularMask, Normalise
from equimorph.models.initialisation import draw_default
from equimorph.models.limits import FROM_TIMM, check_timm
from equimorph.models.pretrained import load_weights

# The module that holds the published head.
LAST_LAYER = {
    "resnet18": "fc",
    "resnet50": "fc",
    "wide_resnet50_2": "fc",
    "densenet121": "classifier",
    "vgg16": "classifier",
    "vgg19": "classifier",
    "resnet26": "fc",
}
WEIGHTS = (None, "imagenet")
TRAINABLE = ("all", "head")

# S4's heads: hidden widths and dropout after each, and dropout before its single linear layers.
HIDDEN_HEADS = {"vgg16": ((4096, 4096), 0.2), "vgg19": ((4096,), 0.5)}
PROBE_DROPOUT = {"resnet26": 0.2, "resnet50": 0.2}

SMALLEST_SIZE = 32  # every backbone halves the map five times

# densenet121's file is older than the rule that module names hold no dot.
_DOTTED = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


def build(arguments: dict[str, Any], classes: int) -> nn.Module:
    """Build the network from a specification's arguments."""
    return Backbone(name=arguments.pop("backbone"), classes=classes, **arguments)


class Backbone(nn.Module):
    """A network of torchvision or timm up to its last pooling, with a new head.

    Pretrained backbones see the ImageNet statistics that they were trained with. A frozen backbone
    stays in evaluation mode, so that its batch norms keep the published statistics, unless
    `update_norms` lets them follow the training images.
    """

    def __init__(
        self,
        name: str,
        weights: str | None,
        trainable: str,
        input_size: int,
        classes: int,
        update_norms: bool = False,
    ):
        """Build the network; published weights come in with `initialise`.

        Args:
            name: a key of `LAST_LAYER`.
            weights: None (drawn) or `imagenet` (published).
            trainable: `all` (last layer replaced, as S1) or `head` (frozen trunk, S4's head).
            input_size: side of the images in px, at least 32.
            classes: number of logits.
            update_norms: whether a frozen trunk is in training mode all the same, as S4's are: its
                weights stay, but the statistics of its batch norms become the training images'.

        Raises:
            InputError: an argument is not allowed, or timm is needed and not installed.
        """
        super().__init__()
        _check("backbone", name, tuple(LAST_LAYER))
        _check("weights", weights, WEIGHTS)
        _check("trainable", trainable, TRAINABLE)
        if input_size < SMALLEST_SIZE:
            raise InputError(
                f"input_size {input_size}: too small for {name}; the smallest is {SMALLEST_SIZE}."
            )
        self.name, self.weights, self.frozen = name, weights, trainable == "head"
        self.still = self.frozen and not update_norms
        statistics = (IMAGENET_MEAN, IMAGENET_SCALE) if weights else ()
        self.normalise, self.mask = Normalise(*statistics), CircularMask(input_size)
        # The constructors draw weights, which `initialise` replaces, from the global random state.
        with torch.random.fork_rng(devices=[]):
            self.trunk, features = _trunk(name)
            self.head = _head(name, features, classes, probe=self.frozen)
        self.trunk.requires_grad_(not self.frozen)

    def initialise(self, generator: torch.Generator) -> None:
        """Load the published weights or draw them, and draw the head.

        Raises:
            InputError: the published weights cannot be fetched or do not fit.
        """
        if self.weights is None:
            _draw_trunk(self.trunk, generator)
        else:
            load_published(self.trunk, self.name, load_weights(weights_url(self.name)))
        draw_default(self.head, generator)

    def train(self, mode: bool = True) -> "Backbone":
        """Set the mode; a frozen trunk stays in evaluation mode, without `update_norms`."""
        super().train(mode)
        if self.still:
            self.trunk.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, 3, size, size) pixel values 0-255 to (B, classes) logits."""
        return self.head(self.trunk(self.mask(self.normalise(images))))


def weights_url(name: str) -> str:
    """Return the address of a backbone's default ImageNet weights.

    Raises:
        InputError: timm is needed and not installed.
    """
    if name in FROM_TIMM:
        return _timm(name).get_pretrained_cfg(name).url
    return get_model_weights(name).DEFAULT.url


def load_published(trunk: nn.Module, name: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Copy published weights into the trunk; those of the published head are left out.

    Args:
        trunk: trunk of the backbone called `name`.
        name: a key of `LAST_LAYER`.
        weights: tensors by name, as the published file holds them.

    Raises:
        InputError: names or shapes differ.
    """
    head = f"{LAST_LAYER[name]}."
    wanted = {
        _DOTTED.sub(r"\1\2", key): tensor
        for key, tensor in weights.items()
        if not key.startswith(head)
    }
    try:
        trunk.load_state_dict(wanted)
    except RuntimeError as error:
        raise InputError(f"the published weights do not fit {name}: {error}") from error


def _trunk(name: str) -> tuple[nn.Module, int]:
    """Return the backbone without its head, and the number of its features."""
    network = _timm(name).create_model(name) if name in FROM_TIMM else get_model(name, weights=None)
    head = getattr(network, LAST_LAYER[name])
    setattr(network, LAST_LAYER[name], nn.Identity())
    first = next(module for module in head.modules() if isinstance(module, nn.Linear))
    return network, first.in_features


def _head(name: str, features: int, classes: int, probe: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    if probe and name in PROBE_DROPOUT:
        layers.append(nn.Dropout(PROBE_DROPOUT[name]))
    widths, dropout = HIDDEN_HEADS.get(name, ((), 0.0))
    for width in widths:
        layers += [nn.Linear(features, width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, classes))


def _draw_trunk(trunk: nn.Module, generator: torch.Generator) -> None:
    """Draw the convolutions; their biases start at 0, batch norm at 1 and 0."""
    draw_default(trunk, generator)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def _check(key: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        names = ", ".join("null" if name is None else name for name in allowed)
        raise InputError(f"{key} {value!r}: allowed are {names}.")


def _timm(name: str) -> ModuleType:
    check_timm(name)
    import timm

    return timm

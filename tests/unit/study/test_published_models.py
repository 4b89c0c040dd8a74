"""The published networks by name: each is known, and can be built at its published size.

That each is built, and seen through, is in test_scale.py and app/test_describe.py.
"""

from importlib.util import find_spec

import pytest

from equimorph.groups.names import is_group_name
from equimorph.models.limits import check
from equimorph.study.models import ARCHITECTURES, resolve
from equimorph.study.published_models import PUBLISHED, published_size


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_name_alone_is_a_network_of_the_published_size(name, default_config):
    network = {**default_config["network"], "match": "fields", "input_size": published_size(name)}
    specification = resolve(name, {}, network)
    assert specification["architecture"] == PUBLISHED[name]["architecture"] in ARCHITECTURES
    assert specification["input_size"] == published_size(name)
    if name != "Probe-ResNet26" or find_spec("timm"):  # an optional package
        check(specification, 10)
    assert not is_group_name(name)  # which is a network of its own


def test_the_sizes_of_the_four_systems():
    names = ("D8", "E2ResNet18-D4", "CBFocal-ECNN", "CBFocal-CNN", "DeepCNN5", "CustomCNN", "ViT")
    assert [published_size(name) for name in names] == [255, 255, 257, 256, 256, 224, 200]
    assert published_size("Probe-VGG16") == published_size("Tuned-ResNet18") == 224
    assert published_size("ResNet18") == 255  # S1's baseline, on its own images

"""S2's C4 network with trivial and regular fields; what both of S2's networks share."""

import pytest
import torch

from equimorph.errors import InputError
from equimorph.groups.escnn import enn
from equimorph.groups.names import parse_group
from equimorph.models.architectures.cbfocal_cnn import CBFocalCNN
from equimorph.models.architectures.cbfocal_ecnn import CBFocalECNN
from equimorph.models.asymmetry import asymmetry_index, published_index
from equimorph.models.counting import count_parameters
from equimorph.models.inputs import measured
from equimorph.steerable.blurred_pool import BlurredPool
from equimorph.steerable.convolution import plane
from tests.unit.networks import drawn, galaxies, inputs, largest_change, settled, train_a_little

SIZE = 33


def steerable(group="C4", asymmetry=True, size=SIZE):
    return drawn(
        CBFocalECNN(group=parse_group(group), asymmetry=asymmetry, input_size=size, classes=10)
    )


def test_published_parameters_of_the_equivariant_network():
    network = CBFocalECNN(input_size=257, classes=10)
    assert count_parameters(network) == 40_418
    convolutions = [m for m in network.modules() if isinstance(m, enn.R2Conv)]
    assert sum(conv.weights.numel() for conv in convolutions) == 24_416
    assert count_parameters(network.classifier) == 15_562
    assert count_parameters(network.asymmetry) == 200


def test_networks_without_the_index_lack_its_branch():
    """Besides the branch, 8 inputs of 128 units, and 16 inputs of 256 units."""
    assert count_parameters(steerable(asymmetry=False)) == 40_418 - 200 - 8 * 128
    plain = CBFocalCNN(asymmetry=False, input_size=SIZE, classes=10)
    assert count_parameters(plain) == 1_740_762 - 592 - 16 * 256


@pytest.mark.parametrize(
    ("group", "trained"), [("C4", False), ("C4", True), ("D4", True), ("C8", False)]
)
def test_rotations_by_90_degrees_change_nothing(group, trained):
    network, images = steerable(group), galaxies(SIZE)
    if trained:
        train_a_little(network, images)
    settled(network, images)
    for turns in (1, 2, 3):
        assert largest_change(network, images, images.rot90(turns, (2, 3))) <= 1e-4


def test_reflections_change_nothing_under_d4_but_something_under_c4():
    images = galaxies(SIZE)
    assert largest_change(settled(steerable("D4"), images), images, images.flip(3)) <= 1e-4
    assert largest_change(settled(steerable("C4"), images), images, images.flip(3)) > 1e-2


def test_exact_at_a_larger_size():
    images = galaxies(129, 3)
    network = settled(steerable(size=129), images)
    assert largest_change(network, images, images.rot90(1, (2, 3))) <= 1e-4


def test_the_published_size_is_refused_unless_it_need_not_be_exact():
    with pytest.raises(InputError, match=r"input size 256: .*257"):
        CBFocalECNN(input_size=256, classes=10)
    network = CBFocalECNN(exact=False, input_size=256, classes=10)
    assert map_sizes(network, 256) == [256, 128, 64, 31]


def test_the_last_pool_pads_by_one_pixel_less():
    assert map_sizes(CBFocalECNN(input_size=257, classes=10), 257) == [257, 129, 65, 32]


def map_sizes(network, size):
    """Sides of the first convolution's map and of each pool's."""
    shape, sides = (1, 3, size, size), []
    for module in network.blocks:
        shape = module.evaluate_output_shape(shape)
        sides += [shape[-1]] if isinstance(module, BlurredPool) or not sides else []
    return sides


def test_each_block_needs_its_dropout():
    with pytest.raises(InputError, match="field_dropout: 2 values for 5 blocks of fields"):
        CBFocalECNN(field_dropout=(0.1, 0.2), input_size=SIZE, classes=10)


def test_dropout_drops_whole_fields():
    """Were single channels dropped, some orientations would be preferred to others."""
    space = plane(parse_group("C4"))
    fields = enn.FieldType(space, 5 * [space.trivial_repr] + 5 * [space.regular_repr])
    ones = enn.GeometricTensor(torch.ones(8, 25, 9, 9), fields)
    torch.manual_seed(0)

    def share_of_broken_fields(layer):
        regular = layer(ones).tensor[:, 5:].unflatten(1, (5, 4)) > 0
        return (regular.any(2) & ~regular.all(2)).float().mean().item()

    used = [m for m in steerable().modules() if isinstance(m, enn.FieldDropout)]
    assert [layer.p for layer in used] == [0.1, 0.1, 0.15, 0.15, 0.2]
    assert share_of_broken_fields(enn.FieldDropout(fields, 0.3)) == 0
    assert share_of_broken_fields(enn.PointwiseDropout(fields, 0.3)) > 0.5
    kept = enn.FieldDropout(fields, 0.3)(ones).tensor
    assert kept.mean().item() == pytest.approx(1, abs=0.05)
    assert (kept == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)


NETWORKS = [CBFocalECNN, CBFocalCNN]


@pytest.mark.parametrize("network_class", NETWORKS)
def test_the_index_reaches_the_logits_and_is_asked_for(network_class):
    images = galaxies(SIZE)
    network = settled(drawn(network_class(input_size=SIZE, classes=10)), images)
    _, index = inputs(network, images)
    assert index.std() > 0
    with torch.no_grad():
        change = network(images, index) - network(images, index.flip(0))
    assert change.abs().max() > 1e-3
    with pytest.raises(InputError, match="takes the images and their asymmetry"):
        network(images)


@pytest.mark.parametrize("network_class", NETWORKS)
def test_which_index_is_measured(network_class):
    images = galaxies(SIZE).to(torch.uint8)
    stored = images.permute(0, 2, 3, 1).numpy()

    def found(asymmetry):
        network = network_class(asymmetry=asymmetry, input_size=SIZE, classes=10)
        return measured(network, stored)

    assert found(False) == ()
    assert torch.equal(found(True)[0][:, 0], asymmetry_index(images))
    assert torch.equal(found("published")[0][:, 0], published_index(images))


@pytest.mark.parametrize("asymmetry", [True, False, "published"])
@pytest.mark.parametrize("network_class", NETWORKS)
def test_black_bytes_have_finite_logits(network_class, asymmetry):
    network = drawn(network_class(asymmetry=asymmetry, input_size=SIZE, classes=7)).eval()
    with torch.no_grad():
        logits = network(*inputs(network, torch.zeros(2, 3, SIZE, SIZE, dtype=torch.uint8)))
    assert logits.shape == (2, 7) and logits.isfinite().all()


@pytest.mark.parametrize("network_class", NETWORKS)
def test_all_weights_come_from_the_generator(network_class):
    def weights(torch_seed, seed):
        torch.manual_seed(torch_seed)
        return drawn(network_class(input_size=SIZE, classes=10), seed).state_dict()

    one, again, other = weights(1, 3), weights(2, 3), weights(1, 4)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["classifier.0.weight"], other["classifier.0.weight"])

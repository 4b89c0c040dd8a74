"""Random streams: one per seed and purpose, the same for ever."""

import pytest
import torch

from equimorph.seeds import BATCHES, LAYERS, WEIGHTS, stream


def drawn(seed, purpose):
    return torch.randint(2**31, (3,), generator=stream(seed, purpose)).tolist()


@pytest.mark.parametrize(
    ("seed", "purpose", "expected"),
    [
        (0, WEIGHTS, [820510290, 191909657, 1615959214]),
        (0, BATCHES, [766271930, 1158886282, 971362946]),
        (3, LAYERS, [1424768077, 1895485697, 1304820409]),
    ],
)
def test_a_stream_is_the_same_for_ever(seed, purpose, expected):
    assert drawn(seed, purpose) == expected


def test_streams_of_other_seeds_and_purposes_are_others():
    found = [drawn(seed, purpose) for seed in range(3) for purpose in (WEIGHTS, BATCHES, LAYERS)]
    assert len(set(map(tuple, found))) == 9

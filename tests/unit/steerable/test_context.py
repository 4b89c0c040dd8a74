"""In what context convolutions compute: precision, allowed forms, memory."""

import threading

import pytest
import torch

from equimorph.steerable.context import EXPANDED_ONLY, Scratch, computing_dtype, expanded_only


def test_expanded_only_holds_inside_the_block_alone():
    with pytest.raises(KeyError), expanded_only():
        assert EXPANDED_ONLY.get()
        raise KeyError
    assert not EXPANDED_ONLY.get()


def test_autocast_decides_the_precision_but_of_doubles():
    single, double = torch.ones(1), torch.ones(1, dtype=torch.float64)
    assert computing_dtype(single) == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert computing_dtype(single) == torch.bfloat16
        assert computing_dtype(double) == torch.float64
        assert computing_dtype(single.to("meta")) == torch.float32


def test_memory_is_used_again_while_it_is_large_enough():
    scratch, like = Scratch(), torch.ones(1)
    first = scratch.take("a", (4, 5), like)
    assert first.shape == (4, 5)
    assert scratch.take("a", (10,), like).data_ptr() == first.data_ptr()
    assert scratch.take("b", (10,), like).data_ptr() != first.data_ptr()
    assert scratch.take("a", (21,), like).numel() == 21
    assert scratch.take("a", (4,), like.double()).dtype == torch.float64


def test_threads_share_no_memory():
    scratch, like, found = Scratch(), torch.ones(1), []
    mine = scratch.take("a", (4,), like)
    other = threading.Thread(target=lambda: found.append(scratch.take("a", (4,), like)))
    other.start()
    other.join()
    assert found[0].data_ptr() != mine.data_ptr()

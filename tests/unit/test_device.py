"""Where networks run."""

import pytest
import torch

from equimorph.device import open_device, peak_memory, within_memory
from equimorph.errors import InputError, TrainingError


def test_the_cpu_is_always_there():
    assert open_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_an_absent_gpu_is_named():
    with pytest.raises(InputError, match="train.device: cuda is asked for"):
        open_device("cuda")


def test_peak_memory_grows_with_what_is_held():
    before = peak_memory(torch.device("cpu"))
    held = torch.ones(before + 2**27, dtype=torch.uint8)
    assert peak_memory(torch.device("cpu")) >= before + 2**26
    assert held[-1] == 1


def test_too_little_memory_is_said_with_advice():
    message = "the machine's memory is not enough. Lower it."
    with pytest.raises(InputError, match=message), within_memory("Lower it."):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(InputError, match="the GPU's memory"), within_memory("Lower it."):
        raise torch.OutOfMemoryError("as CUDA says it")


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), within_memory("Lower it."):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    with pytest.raises(TrainingError, match="epoch 1"), within_memory("Lower it."):
        raise TrainingError("epoch 1")

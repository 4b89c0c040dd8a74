"""Augment 255 px images: one batched resampling against torchvision's transforms per image.

Run it with `PYTHONPATH=workflow python tests/benchmarks/augment.py`; it needs 1 GB of memory.

The transforms are those of arXiv:2311.01500, without the normalisation: rotation by any angle
(nearest), resize from 256 to 255 px, translation by 10 %, both flips with probability 0.3. Ours is
the same map, bilinear: the flips are a reflection (probability 2 * 0.3 * 0.7) times a half turn.
The images are resized once, before training, so both ratios are printed: against the transforms as
published, and without their resize.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
import torchvision
from torchvision import transforms

from equimorph.provenance import hardware
from equimorph.training.augment import Augmentation, augment

OURS = Augmentation(rotation=180, flip=0.42, scale=1, shift=0.1, brightness=0)


def per_image(resize: bool) -> transforms.Compose:
    """Return the published transforms."""
    return transforms.Compose(
        [
            transforms.ToTensor(),
            transforms.RandomRotation(180),
            *([transforms.Resize(255)] if resize else []),
            transforms.RandomAffine(degrees=0, translate=(0.1, 0.1)),
            transforms.RandomHorizontalFlip(p=0.3),
            transforms.RandomVerticalFlip(p=0.3),
        ]
    )


def seconds(function: Callable[[], torch.Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """Return the wall and CPU seconds of one call, and check what it makes."""
    start = time.perf_counter(), time.process_time()
    batch = function()
    end = time.perf_counter(), time.process_time()
    assert batch.shape == shape and batch.dtype == torch.float32
    return np.subtract(end, start)


def main() -> None:
    """Print rates and ratios, each the best of several interleaved repeats.

    CPU seconds tell where other jobs take the machine's time.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128, help="images in a batch")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement")
    arguments = parser.parse_args()
    count, default_threads = arguments.images, torch.get_num_threads()
    draw = np.random.default_rng(0)
    raw = draw.integers(0, 256, (count, 256, 256, 3), dtype=np.uint8)
    images = torch.from_numpy(raw[:, :255, :255]).permute(0, 3, 1, 2).contiguous()
    published, shorter = per_image(resize=True), per_image(resize=False)
    generator = torch.Generator().manual_seed(0)
    ways = {
        "batched": lambda: augment(images, OURS, generator),
        "per image": lambda: torch.stack([published(image) for image in raw]),
        "per image, no resize": lambda: torch.stack([shorter(i) for i in raw[:, :255, :255]]),
    }
    print(f"{hardware('cpu', default_threads)}")
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    for threads in sorted({1, default_threads}):
        torch.set_num_threads(threads)
        best = dict.fromkeys(ways, np.full(2, np.inf))
        for _ in range(arguments.repeats):
            for name, way in ways.items():
                best[name] = np.minimum(best[name], seconds(way, (count, 3, 255, 255)))
        print(f"threads {threads}, best of {arguments.repeats}")
        for name, elapsed in best.items():
            (wall, cpu), (ratio, cpu_ratio) = count / elapsed, elapsed / best["batched"]
            print(
                f"  {name}: {wall:.0f} images/s, batched is {ratio:.2f} x; "
                f"{cpu:.0f} images per CPU second, batched is {cpu_ratio:.2f} x",
                flush=True,
            )


if __name__ == "__main__":
    main()

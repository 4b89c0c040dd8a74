"""A search that needs no training, and what one may come to."""

from equimorph.search.study import Search
from equimorph.study.search_space import Range

RATE = {"learning_rate": Range(0.0001, 0.1, log=True)}
SETTINGS = {
    "trials": 10,
    "seed": 3,
    "sampler": {"kind": "tpe", "startup": 4},
    "pruner": {"kind": "median", "startup": 3, "warmup": 2},
}


def opened(path, digest="a" * 64, job=None, space=RATE, **changes):
    return Search(path, "demo", job or {"x": 1}, digest, space, {**SETTINGS, **changes})


def results():
    rows = []
    for number in range(1, 7):
        loss = 1 + 0.1 * abs(number - 4)
        stopped = number in (2, 6)
        rows.append(
            {
                "trial": number,
                "state": "pruned" if stopped else "completed",
                "validation_loss": loss,
                "best_epochs": [] if stopped else [3],
                "epochs": 2 if stopped else 3,
                "seconds": 1.0,
                "reason": "",
                "values": {"learning_rate": 0.001 * number, "batch_size": 16 * (1 + number % 2)},
                "curve": [loss + 0.2, loss + 0.1, loss][: 2 if stopped else 3],
            }
        )
    diverged = {"state": "untrainable", "validation_loss": None, "curve": [], "reason": "epoch 1"}
    return [*rows, {**rows[1], "trial": 7, **diverged}]

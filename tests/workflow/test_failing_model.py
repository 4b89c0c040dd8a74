"""A model that diverges fails alone."""

import re

MODELS = "results/demo/models"


def test_a_diverging_model_fails_alone_and_names_epoch_and_learning_rate(fresh):
    wild = {"learning_rate": 1.0e6, "epochs": 20, "schedule": {"kind": "constant"}}
    fresh.edit_config(
        {"train": {"models": ["CNN", "D4"], "seeds": [0], "overrides": {"CNN": wild}}}
    )
    targets = [f"{MODELS}/{name}/seed-0/model.safetensors" for name in ("CNN", "D4")]
    done = fresh.snakemake("--keep-going", *targets, check=False)
    assert done.returncode == 1
    message = (
        r"error: epoch \d+, learning rate 1\.00e\+06: the (train|validation) loss is (nan|inf)"
    )
    assert re.search(message, done.stdout), done.stdout[-3000:]
    assert "Traceback" not in done.stdout
    assert [(fresh.folder / target).exists() for target in targets] == [False, True]

"""Records are opened where the config asks for them, and nothing is imported where it does not."""

import os
import subprocess
import sys

import pytest

from equimorph.errors import InputError
from equimorph.study.config import check_config
from equimorph.study.yaml_files import merged
from tests.conftest import ROOT
from tests.unit.tracking.records import track, values


def test_off_nothing_is_imported(tmp_path):
    code = (
        "import sys\n"
        "from equimorph.tracking.open import open_tracker\n"
        "off = {'study': 'demo', 'folder': 'x', 'tensorboard': False, 'mlflow': None}\n"
        "tracker = open_tracker(off, 'CNN', {}, '', False)\n"
        "with tracker: tracker.following(print)({'epoch': 1})\n"
        "tracker.finish('absent', 'absent', 'absent')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
    )
    root = ROOT
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "workflow")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    row, modules = done.stdout.splitlines()
    assert row == "{'epoch': 1}" and "equimorph" in modules
    for package in ("mlflow", "tensorboard", "torch", "numpy", "sqlalchemy"):
        assert f"'{package}'" not in modules
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named(package, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"equimorph.tracking.{package}", raising=False)
    wanted = {"tensorboard": package == "tensorboard"} | (
        {} if package == "mlflow" else {"mlflow": None}
    )
    with pytest.raises(
        InputError, match=rf"track.{package}: .*pip install 'equimorph\[tracking\]'"
    ):
        track(tmp_path, values(), **wanted)


def test_unknown_settings_are_named(tmp_path):
    with pytest.raises(InputError, match="track.wandb: unknown key; allowed are study, folder"):
        track(tmp_path, values(), wandb=True)


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("mlflow", "work/mlflow.db", r"track.mlflow: 'work/mlflow.db' .* a text of the form"),
        ("mlflow", True, r"track.mlflow: True .* of type string or null"),
        ("tensorboard", "yes", r"track.tensorboard: 'yes' .* of type boolean"),
        ("wandb", True, r"track: unknown key wandb; allowed are mlflow, tensorboard"),
    ],
)
def test_the_config_says_what_is_allowed(config, schema, key, value, message):
    assert config["track"] == {"tensorboard": False, "mlflow": None}
    on = {"tensorboard": True, "mlflow": "sqlite:///work/tracking/mlflow.db"}
    check_config(merged(config, {"track": on}), schema)
    check_config(merged(config, {"track": {"mlflow": "https://mlflow.example.org"}}), schema)
    with pytest.raises(InputError, match=message):
        check_config(merged(config, {"track": {key: value}}), schema)

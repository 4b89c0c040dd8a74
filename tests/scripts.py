"""Scripts as modules, to be called without a process of their own."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def load(path: str) -> ModuleType:
    """Return a script's module, made anew.

    Args:
        path: below the repository, such as `workflow/scripts/train/train.py`.
    """
    name = f"{Path(path).stem}_script"
    specification = importlib.util.spec_from_file_location(name, ROOT / path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where other processes look up what the script sends them
    specification.loader.exec_module(module)
    return module

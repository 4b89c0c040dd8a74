"""The modules that a script imports, against the standard library's own finder."""

import modulefinder
import sys
from pathlib import Path

import pytest

from equimorph.sources import local_modules

SCRIPTS = sorted((Path(__file__).resolve().parents[2] / "workflow/scripts").rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_local_modules_agree_with_modulefinder(script, root):
    library = root / "workflow"
    finder = modulefinder.ModuleFinder(path=[str(library)])
    finder.run_script(str(script))
    expected = {
        str(Path(module.__file__))
        for module in finder.modules.values()
        if module.__file__ and Path(module.__file__).is_relative_to(library / "equimorph")
    }
    assert set(local_modules(script, library)) == expected


def test_only_the_standard_library_is_needed(root):
    """The Snakefile imports it before any environment is there."""
    source = (root / "workflow/equimorph/sources.py").read_text()
    for line in source.splitlines():
        if line.startswith(("import ", "from ")):
            assert line.split()[1].split(".")[0] in sys.stdlib_module_names

"""The modules that a script imports, against the standard library's own finder."""

import modulefinder
import sys
from pathlib import Path

import pytest

from equimorph.sources import ARCHITECTURES, OBSERVERS, local_modules

SCRIPTS = sorted((Path(__file__).resolve().parents[2] / "workflow/scripts").rglob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_local_modules_agree_with_modulefinder(script, root):
    library = root / "workflow"
    finder = modulefinder.ModuleFinder(path=[str(library)], excludes=list(OBSERVERS))
    finder.run_script(str(script))
    expected = {
        str(Path(module.__file__))
        for module in finder.modules.values()
        if module.__file__ and Path(module.__file__).is_relative_to(library / "equimorph")
    }
    assert set(local_modules(script, library)) == expected


def test_what_is_found_by_name_counts_with_what_it_imports(root):
    script, library = root / "workflow/scripts/train/train.py", root / "workflow"
    cnn, d4 = (
        {Path(p).stem for p in local_modules(script, library, [f"{ARCHITECTURES}.{name}"])}
        for name in ("cnn", "gcnn")
    )
    assert "cnn" in cnn and not cnn & {"gcnn", "vit", "irrep_conv", "published_models", "mlflow"}
    assert {"gcnn", "irrep_conv"} <= d4 and "cnn" not in d4


def test_only_the_standard_library_is_needed(root):
    """The Snakefile imports it before any environment is there."""
    source = (root / "workflow/equimorph/sources.py").read_text()
    for line in source.splitlines():
        if line.startswith(("import ", "from ")):
            assert line.split()[1].split(".")[0] in sys.stdlib_module_names

"""Which local modules a script imports, so that the workflow sees an edit of any of them.

Standard library alone: the Snakefile calls this while it is parsed.
"""

import ast
from functools import cache
from pathlib import Path

PACKAGE = "equimorph"


def local_modules(script: str | Path, root: str | Path) -> list[str]:
    """Return the files of the package that `script` imports, directly or through others.

    Imports inside functions count: they are what some inputs need.

    Args:
        script: a Python file.
        root: the folder that holds the package.

    Returns:
        Sorted paths below `root`, the packages' `__init__.py` included.
    """
    root = Path(root)
    found: set[Path] = set()
    waiting = [Path(script)]
    while waiting:
        for name in _imports(waiting.pop()):
            for path in _files(name, root):
                if path not in found:
                    found.add(path)
                    waiting.append(path)
    return sorted(str(path) for path in found)


def _imports(path: Path) -> list[str]:
    return _imports_of(path.read_text(encoding="utf-8"), str(path))


@cache  # a study of 27 trainings asks for 109 scripts, which import the same 80 modules
def _imports_of(source: str, path: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source, filename=path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from a import b`: b may be a module or a name in a.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == PACKAGE]


def _files(name: str, root: Path) -> list[Path]:
    parts = name.split(".")
    packages = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    module = root.joinpath(*parts).with_suffix(".py")
    return [path for path in [*packages, module] if path.is_file()]

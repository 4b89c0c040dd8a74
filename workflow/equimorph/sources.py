"""Which local modules the result of a script depends on: an edit of one re-runs its rule.

Standard library alone: the Snakefile calls this while it is parsed.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = "equimorph"
# Packages whose modules are found by the name that a config gives, at run time: one file per name.
# An import statement would tie every job to all of them.
ARCHITECTURES = f"{PACKAGE}.models.architectures"
LOSSES = f"{PACKAGE}.training.losses"
DEGRADATIONS = f"{PACKAGE}.robustness.degradations"
# These show the progress of a job and change no result.
OBSERVERS = (f"{PACKAGE}.tracking", f"{PACKAGE}.progress")


def local_modules(script: str | Path, root: str | Path, named: Iterable[str] = ()) -> list[str]:
    """Return the files of the package that the result of `script` depends on.

    These are the modules that it imports, directly or through others (imports inside functions
    count: they are what some inputs need), and those that it finds by name; not the `OBSERVERS`.

    Args:
        script: a Python file.
        root: the folder that holds the package.
        named: modules, with dots, that the script finds by the names in its config.

    Returns:
        Sorted paths below `root`, the packages' `__init__.py` included.
    """
    root = Path(root)
    found: set[Path] = {path for name in named for path in _files(name, root)}
    waiting = [Path(script), *found]
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
    for node in _statements(ast.parse(source, filename=path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from a import b`: b may be a module or a name in a.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == PACKAGE and not _observes(name)]


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and all statements within: expressions, most of a tree, hold no import."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _statements(child)


def _observes(name: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in OBSERVERS)


@cache
def _files(name: str, root: Path) -> list[Path]:
    parts = name.split(".")
    packages = [root.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    module = root.joinpath(*parts).with_suffix(".py")
    return [path for path in [*packages, module] if path.is_file()]

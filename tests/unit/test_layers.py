"""The library's order, read from its source: imports go downwards, and each module has its test."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

LIBRARY = ROOT / "workflow/equimorph"
# From the ground up; a module imports from its own room and from those before it.
ROOMS = [
    "errors",
    "choices",
    "io",
    "seeds",
    "progress",
    "sources",
    "provenance",
    "device",
    "groups",
    "steerable",
    "data",
    "simulation",
    "sky",
    "robustness",
    "models",
    "study",
    "training",
    "tracking",
    "evaluation",
    "analyses",
    "classify",
    "search",
    "lineage",
    "report",
    "app",
]


# Modules without a test of their own, and why.
UNTESTED = {"errors": "two names without code"}
# Tests that belong to no single module, and to what.
OF_NO_MODULE = {
    "analyses/scripts": "workflow/scripts/analyses",
    "bad_input": "every reader",
    "classify/browser": "the page, in a browser",
    "data/scripts": "workflow/scripts/data",
    "environments": "envs/",
    "layers": "the library's order",
    "project": "the files that a stranger meets first",
    "run_study": "workflow/run_study.py",
    "study/fuzzed_config": "the config, from the schema to the networks",
    "study/published_presets": "workflow/presets/published",
}


def imported(path: Path, everywhere: bool = True) -> set[str]:
    """Return the modules that a file imports, with dots; inside functions, too, if `everywhere`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.add(name if file_of(name) else node.module)
    return found


def file_of(name: str) -> Path | None:
    """Return the file of a module of the library, given with dots."""
    path = LIBRARY.parent.joinpath(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def local(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "equimorph"}


def name_of(path: Path) -> str:
    parts = path.relative_to(LIBRARY.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(LIBRARY.rglob("*.py"))}


def room(name: str) -> str:
    return name.split(".")[1]


def test_every_room_has_its_place():
    assert {room(name) for name in MODULES if name != "equimorph"} == set(ROOMS)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "equimorph"])
def test_a_module_imports_from_its_own_room_and_those_below(name):
    allowed = {"equimorph", *ROOMS[: ROOMS.index(room(name)) + 1]}
    used = {room(other) if "." in other else other for other in local(imported(MODULES[name]))}
    assert used <= allowed


def test_no_circle():
    graph = {name: local(imported(path)) - {name} for name, path in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_steerable_stands_by_itself():
    used = set().union(*(local(imported(p)) for n, p in MODULES.items() if room_is(n, "steerable")))
    assert {room(name) for name in used} == {"steerable", "groups"}


def room_is(name: str, wanted: str) -> bool:
    return name != "equimorph" and room(name) == wanted


def test_what_a_study_means_is_found_without_torch():
    """The Snakefile imports `study`, for each job on a cluster anew; torch takes seconds."""
    waiting = [path for name, path in MODULES.items() if room_is(name, "study")]
    seen, used = set(), set()
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            names = imported(path, everywhere=False)
            used |= names - local(names)
            waiting += [file_of(name) for name in local(names)]
    assert {name.split(".")[0] for name in used} & {"torch", "torchvision", "escnn"} == set()


def test_each_module_has_its_test_in_the_same_folder():
    tests = ROOT / "tests/unit"
    modules = {path.relative_to(LIBRARY).with_suffix("") for path in MODULES.values()}
    wanted = {path for path in modules if path.name != "__init__" and str(path) not in UNTESTED}
    present = {
        path.relative_to(tests).with_name(path.stem.removeprefix("test_"))
        for path in tests.rglob("test_*.py")
    }
    assert sorted(map(str, wanted - present)) == []
    assert not present & set(map(Path, UNTESTED))
    others = {path for path in present - modules if not (LIBRARY / path).is_dir()}
    assert sorted(map(str, others)) == sorted(OF_NO_MODULE)

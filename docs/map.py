"""Write the tables of docs/index.md from the first sentence of each file: `python docs/map.py`."""

import ast
from pathlib import Path

PAGE = Path(__file__).with_name("index.md")
ROOT = PAGE.parents[1]
# The tables stand below this line, to the end of the page; what is above is written by hand.
MARK = "<!-- Below, `python docs/map.py` writes: edit the files' own first sentences instead. -->\n"


def tables(root: Path = ROOT) -> str:
    """Return one table for each folder of workflow/ that holds code, outermost first."""
    code = [*root.glob("workflow/**/*.py"), *root.glob("workflow/**/*.smk")]
    folders = sorted({path.parent for path in code})
    return "\n".join(_table(folder, root) for folder in folders)


def _table(folder: Path, root: Path) -> str:
    package = folder / "__init__.py"
    files = sorted([*folder.glob("*.py"), *folder.glob("*.smk")])
    rows = [
        f"| [`{file.name}`](../{file.relative_to(root)}) | {_first_sentence(file)} |"
        for file in files
        if file != package
    ]
    return "\n".join(
        [
            f"### `{folder.relative_to(root)}`",
            *(["", _first_sentence(package)] if package in files else []),
            *(["", "| file | what it does |", "|---|---|", *rows] if rows else []),
            "",
        ]
    )


def _first_sentence(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".smk":
        return text.partition("\n")[0].removeprefix("# ")
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]


if __name__ == "__main__":
    by_hand, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(f"{by_hand}{mark}\n{tables()}", encoding="utf-8")

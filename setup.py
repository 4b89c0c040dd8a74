"""Put published classifiers into the wheel; everything else stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
FILES = ("model.safetensors", "companion.safetensors")


class BuildWithClassifiers(build_py):
    """Copies `results/<study>/classifier`, as `dvc pull` or a run has left it, into the package."""

    def run(self) -> None:
        """Build as usual, then add what there is; a checkout needs no copy of it."""
        super().run()
        if self.editable_mode:
            return
        for folder in sorted(ROOT.glob("results/*/classifier")):
            place = Path(self.build_lib, "equimorph/classify/published", folder.parent.name)
            if all((folder / name).is_file() for name in FILES):
                place.mkdir(parents=True, exist_ok=True)
                for name in FILES:
                    shutil.copyfile(folder / name, place / name)


setup(cmdclass={"build_py": BuildWithClassifiers})

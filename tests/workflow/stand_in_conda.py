"""A stand-in for conda: makes each environment a venv that sees this interpreter's packages.

It proves the wiring of `--use-conda` where no conda can be had: that each rule names an
environment that exists and parses, that jobs run inside it and need nothing from outside. It does
not prove that the environments can be solved.
"""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml


def install(folder: Path) -> Path:
    """Write `conda` and `activate` below `folder`; return the folder for PATH."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    conda = programs / "conda"
    conda.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{folder}" "$@"\n')
    conda.chmod(0o755)
    activate = '. "$1/bin/activate"\nexport CONDA_PREFIX="$1"\n'
    (programs / "activate").write_text(activate)
    return programs


def on_path(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Return an environment in which `conda` is the stand-in and PYTHONPATH helps nobody."""
    programs = install(folder)
    path = f"{programs}{os.pathsep}{environment['PATH']}"
    return {**environment, "PATH": path, "PYTHONPATH": ""}


def off_path(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment without conda, the real one included."""
    folders = environment["PATH"].split(os.pathsep)
    kept = [folder for folder in folders if not Path(folder, "conda").exists()]
    return {**environment, "PATH": os.pathsep.join(kept)}


def create(prefix: Path, file: Path) -> None:
    """Make the environment that `file` describes."""
    assert yaml.safe_load(file.read_text())["dependencies"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    packages = next(prefix.glob("lib/python*/site-packages"))
    (packages / "host.pth").write_text(sysconfig.get_path("purelib") + "\n")


def main() -> None:
    """Answer what Snakemake asks conda."""
    folder, *arguments = sys.argv[1:]
    if arguments == ["--version"]:
        print("conda 25.1.0")
    elif arguments[:1] == ["info"]:
        print(json.dumps({"conda_prefix": folder, "platform": "linux-64", "conda_version": "25.1"}))
    elif arguments[:1] == ["config"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif "create" in arguments:
        options = dict(zip(arguments, arguments[1:], strict=False))
        create(Path(options["--prefix"]), Path(options["--file"]))


if __name__ == "__main__":
    main()

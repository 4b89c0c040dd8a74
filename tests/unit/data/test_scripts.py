"""The scripts of the data stage, called wrongly: a result or one sentence, never a traceback."""

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equimorph.data.raw import write_raw
from equimorph.io import run
from tests.scripts import load

N, SIDE = 24, 33


def main_of(name: str) -> Callable[[list[str]], None]:
    """Return a script's `main`."""
    return load(f"workflow/scripts/data/{name}.py").main


def call(main: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Return the exit status of a script; anything but an exit is raised."""
    try:
        run(partial(main, arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with an input of each kind, and things that are none."""
    folder = tmp_path_factory.mktemp("place")
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (N, SIDE, SIDE, 3), np.uint8)
    label = np.arange(N) % 2
    sky = (np.arange(N) * 3.0 + 50, np.arange(N) * 1.0)
    write_raw(folder / "raw.h5", images, label, *sky, np.full(N, 0.1), np.full(N, 0.3))
    (folder / "own").mkdir()
    rows = "".join(f"{number}.png,{label[number]}\n" for number in range(N))
    (folder / "own/manifest.csv").write_text("path,label\n" + rows)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"own/{number}.png")
    (folder / "text").write_text("not,what\nis,asked\n")
    (folder / "bytes").write_bytes(draw.bytes(1000))
    (folder / "empty").touch()
    made = {
        "catalogue.csv": ["catalogue", "--raw", "raw.h5", "--class-names", "a", "b"],
        "images.npy": ["convert", "--raw", "raw.h5"],
        "galaxies.npz": ["simulate", "--per-class", "1", "--size", "33", "--seed", "0"],
    }
    flags = {"catalogue": "--catalogue", "convert": "--images", "simulate": "--output"}
    for target, (script, *arguments) in made.items():
        paths = [str(folder / word) if word == "raw.h5" else word for word in arguments]
        assert call(main_of(script), [*paths, flags[script], str(folder / target)]) == 0
    pairs = ["--raw", folder / "raw.h5", "--similarity", "0.8"]
    pairs += ["--output-pairs", folder / "pairs.csv", "--output-blank", folder / "blank.csv"]
    assert call(main_of("find_lookalikes"), list(map(str, pairs))) == 0
    return folder


# What each script takes; a name with an ending is an input, `out` is what it writes.
CALLS = {
    "audit": "--catalogue catalogue.csv --lookalikes pairs.csv --blank blank.csv --classes 2"
    " --radius-arcsec 67 --output-audit out --output-neighbours out",
    "catalogue": "--raw raw.h5 --class-names a b --catalogue out",
    "convert": "--raw raw.h5 --images out",
    "download": "--mirrors http://127.0.0.1:1/raw.h5 --sha256 aaaaaaaa --output out",
    "draw": "--galaxies galaxies.npz --output out",
    "find_lookalikes": "--raw raw.h5 --similarity 0.8 --output-pairs out --output-blank out",
    "import_images": "--folder own --class-names a b --pixel-scale 0.3 --output out",
    "remove_stars": "--images images.npy --catalogue catalogue.csv --seed 3 --output out",
    "simulate": "--per-class 1 --size 33 --seed 0 --output out",
    "split": "--catalogue catalogue.csv --lookalikes pairs.csv --blank blank.csv --seed 1"
    " --train 0.6 --validation 0.2 --test 0.2 --radius-arcsec 67 --output-csv out"
    " --output-json out",
    "verify": "--raw raw.h5 --classes 2 --output out",
}
PATHS = ["absent", "own", "text", "bytes", "empty", "raw.h5", "images.npy", "catalogue.csv"]
PATHS += ["text/below", "n" * 5000, "", ".", "galaxies.npz", "pairs.csv"]  # all within one folder
OUTPUTS = ["text/below", "own", "n" * 5000, "", ".", "new/folder/file"]  # no input: others need it
VALUES = ["-1", "0", "1", "nan", "-inf", "1e400", "9" * 400, "0.5", "a", "", "٣", "2.0", "1000000"]


@pytest.mark.parametrize("script", CALLS)
def test_wrong_calls_end_in_one_sentence(script, place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(shutil.copytree(place, tmp_path / "place"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # of retries
    main, draw = main_of(script), random.Random(script)
    words = CALLS[script].split()
    free = [n for n, word in enumerate(words) if not word.startswith("--")]
    statuses = set()
    for attempt in range(40):
        tried = [f"{attempt}-{n}" if word == "out" else word for n, word in enumerate(words)]
        for number in draw.sample(free, draw.choice([1, 1, 2])) if attempt else ():
            kinds = [*PATHS, *VALUES] if draw.random() < 0.3 else PATHS
            kinds = VALUES if words[number].isdecimal() else kinds
            tried[number] = draw.choice(OUTPUTS if words[number] == "out" else kinds)
        status = call(main, tried)
        said = capsys.readouterr().err
        assert status in (0, 1, 2), tried
        if status == 1:
            assert said.splitlines()[-1].startswith(("error: ", "  ", "Download", "the next")), said
        statuses.add(status)
        if attempt == 0 and script != "download":
            assert status == 0, said
    assert 1 in statuses

"""`equimorph predict` as its users call it: tables, resumption, what could not be read."""

import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from equimorph.app.cli import main
from equimorph.models.trained import Checkpoint
from equimorph.sky.service import LAYER, SERVICE
from tests.servers import serve
from tests.sky import SkyServer
from tests.unit.classify.conftest import CLASSES, make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with a D4 network."""
    return make_study(tmp_path_factory.mktemp("blobs"))


@pytest.fixture
def images(study, tmp_path):
    """A folder of 12 images, two of which cannot be read."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(10):
        Image.fromarray(study.images[number]).save(folder / f"{number}.png")
    (folder / "bad.png").write_bytes((folder / "0.png").read_bytes()[:100])
    Image.fromarray(study.images[0][:20]).save(folder / "wide.png")
    return folder


def predict(study, *arguments):
    """Run the command; return its exit status."""
    try:
        main(["predict", "--model", str(study.folder), *map(str, arguments)])
    except SystemExit as stopped:
        return stopped.code
    return 0


def test_one_image_on_the_screen(study, images, capsys):
    assert predict(study, images / "3.png", "--certificate", "--neighbours", 2) == 0
    first, turned, alike = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{images}/3.png: ") and CLASSES[study.labels[3]] in first
    assert turned.endswith("by quarter turns 0.0%")
    assert alike.startswith("  most like the training images 3 (")


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_a_folder_into_a_table_what_cannot_be_read_is_listed(
    study, images, tmp_path, capsys, suffix
):
    output = tmp_path / f"found.{suffix}"
    assert predict(study, images, "--output", output) == 3
    said = capsys.readouterr()
    assert f"{output}: 10 images" in said.out
    assert f"  {images}/bad.png: not a readable image" in said.err
    assert f"  {images}/wide.png: 33x20 px; allowed are square images" in said.err
    readers = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}
    found = readers[suffix](output)
    assert found["name"].tolist() == [f"{images}/{number}.png" for number in range(10)]
    assert np.allclose(found[CLASSES].sum(axis=1), 1)
    assert (found[CLASSES].to_numpy().argmax(1) == [CLASSES.index(x) for x in found["label"]]).all()
    unread = pd.read_csv(tmp_path / f"found.{suffix}.unread.csv")
    assert unread["name"].tolist() == [f"{images}/bad.png", f"{images}/wide.png"]


def test_top_and_certificate_choose_the_columns(study, images, tmp_path):
    output = tmp_path / "found.csv"
    assert predict(study, images / "1.png", "--top", 1, "--certificate", "--output", output) == 0
    found = pd.read_csv(output)
    assert list(found)[:5] == ["name", "label", "probability", "label_1", "probability_1"]
    assert list(found)[5:] == [
        *("outlier_score", "warning", "largest_change", "at_quarter_turns", "mirrored")
    ]
    assert found["label"].tolist() == found["label_1"].tolist()
    assert found["at_quarter_turns"].tolist() == [0]


def test_a_study_of_its_own_images_gets_the_workflows_classes(study, tmp_path):
    path = tmp_path / "all.h5"
    with h5py.File(path, "w") as file:
        file["images"] = study.images
    assert predict(study, path, "--output", tmp_path / "all.csv") == 0
    found = pd.read_csv(tmp_path / "all.csv")
    right = [CLASSES[label] for label in study.labels] == found["label"]
    assert len(found) == 240 and right.mean() > 0.65


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_equal(study, tmp_path):
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        file["images"] = np.concatenate([study.images] * 20)

    def command(output):
        call = [sys.executable, "-m", "equimorph.app.cli", "predict", "--model", study.folder, path]
        return [*map(str, call), "--output", str(output), "--threads", "1"]

    whole, killed = tmp_path / "whole.csv", tmp_path / "killed.csv"
    subprocess.run(command(whole), check=True, capture_output=True)
    part = tmp_path / "killed.csv.part"
    child = subprocess.Popen(command(killed), stderr=subprocess.DEVNULL)
    while child.poll() is None and not (part.exists() and part.stat().st_size > 100_000):
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert part.exists() and not killed.exists(), "it ended before it was killed"
    done = len(part.read_text().splitlines()) - 1
    assert 0 < done < 4800
    again = subprocess.run(command(killed), check=True, capture_output=True, text=True)
    assert f"{killed}: 4800 images" in again.stdout
    assert killed.read_bytes() == whole.read_bytes()
    assert pd.read_csv(killed)["name"].is_unique
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.csv", "many.h5", "whole.csv"]


def test_other_images_than_those_of_the_earlier_run_are_refused(study, images, tmp_path, capsys):
    output = tmp_path / "found.csv"
    main_part = tmp_path / "found.csv.part"
    assert predict(study, images / "1.png", "--output", output) == 0
    with_part = [json.dumps({"name": "other.png", "label": "round"})]
    from equimorph.app.predict import Options, asdict
    from equimorph.classify.classifier import load

    call = {**asdict(Options()), "network": load(study.folder).identity()}
    call["sky"] = f"{SERVICE} {LAYER}"
    main_part.write_text("\n".join([json.dumps(call, sort_keys=True), *with_part]) + "\n")
    assert predict(study, images / "1.png", "--output", output) == 1
    assert "is about other.png, where now comes" in capsys.readouterr().err


def test_places_on_the_sky_are_fetched_as_the_training_images_were_taken(study, tmp_path):
    server, output = SkyServer(), tmp_path / "sky.csv"
    table = tmp_path / "places.csv"
    table.write_text("ra,dec\n10,20\n30,-85\n40,50\n")
    with serve(server):
        status = predict(
            study, table, "--radec", 150.5, -2.25, "--service", server.url, "--output", output
        )
    assert status == 3  # one is outside the footprint
    found = pd.read_csv(output)
    assert found["name"].tolist() == [f"{table}#0", f"{table}#2", "150.50000-2.25000"]
    assert {query["size"] for query in server.asked} == {"252"}  # 66 arcsec at 0.262
    assert {query["layer"] for query in server.asked} == {"ls-dr9"}
    unread = pd.read_csv(f"{output}.unread.csv")
    assert "outside the footprint" in unread["error"][0]


def test_a_wider_field_of_the_sky_is_used_whole(study, tmp_path, monkeypatch):
    """However many arcsec a pixel has, the network sees all of what was fetched."""
    seen = []
    prepare = Checkpoint.prepare

    def observed(self, images, pixel_scale=None, *more, **named):
        seen.append((images.shape, pixel_scale))
        return prepare(self, images, pixel_scale, *more, **named)

    monkeypatch.setattr(Checkpoint, "prepare", observed)
    server = SkyServer()
    with serve(server):
        arguments = ("--pixel-scale", 2, "--service", server.url)
        assert predict(study, "--radec", 150.5, -2.25, *arguments) == 0
    assert server.asked[0]["pixscale"] == "2"
    assert seen[-1] == ((1, 252, 252, 3), None)


def test_a_table_that_is_an_input_is_not_overwritten(study, images, tmp_path, capsys):
    table = tmp_path / "mine.csv"
    table.write_text(f"path\n{images}/1.png\n")
    assert predict(study, table, "--output", table) == 1
    assert "this is an input" in capsys.readouterr().err
    assert table.read_text().startswith("path\n")


def test_large_images_are_made_ready_one_by_one(study, tmp_path, monkeypatch):
    monkeypatch.setattr("equimorph.classify.classifier.LARGE", 30)
    path, output = tmp_path / "two.h5", tmp_path / "two.csv"
    with h5py.File(path, "w") as file:
        file["images"] = study.images[:2]
    assert predict(study, path, "--output", output) == 0
    monkeypatch.undo()
    again = tmp_path / "again.csv"
    assert predict(study, path, "--output", again) == 0
    assert output.read_bytes() == again.read_bytes()


def test_what_is_not_shown_is_not_said_to_lie_in_a_file(study, tmp_path, capsys):
    for number in range(25):
        (tmp_path / f"{number}.png").write_bytes(b"none")
    assert predict(study, tmp_path) == 3
    said = capsys.readouterr().err
    assert said.count("not a readable image") == 25 and "None" not in said


def test_many_places_are_asked_for_four_at_a_time(study, tmp_path):
    server, table = SkyServer(slow=0.05), tmp_path / "places.csv"
    table.write_text("ra,dec\n" + "".join(f"{number},5\n" for number in range(24)))
    with serve(server):
        assert predict(study, table, "--service", server.url, "--output", tmp_path / "a.csv") == 0
    assert len(server.asked) == 24
    assert 2 <= server.most_at_once <= 4


def test_without_a_connection_there_is_one_sentence(study, capsys, monkeypatch):
    monkeypatch.setattr("equimorph.sky.service.RETRIES", 0)
    status = predict(study, "--radec", 10, 20, "--service", "http://127.0.0.1:9")
    assert status == 1
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no images: name a file, a folder, a table, a galaxy, or use --radec"),
        (["x.png"], "x.png: there is no such file"),
        (["--radec", "400", "0"], "position 400 0: allowed are degrees"),
        (["--radec", "1", "2", "--layer", "sdss"], "layer 'sdss': allowed are ls-dr8"),
        (["x.png", "--output", "a.txt"], "x.png: there is no such file"),
        (["--radec", "1", "2", "--output", "a.txt"], "allowed are files that end in .csv"),
        (["--radec", "1", "2", "--top", "0"], "allowed are whole numbers from 1 to 256"),
        (["--radec", "1", "--top", "1"], "argument --radec: expected 2 arguments"),
    ],
)
def test_wrong_calls_end_in_a_sentence(study, arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert predict(study, *arguments) in (1, 2)
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []

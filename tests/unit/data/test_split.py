"""Tests of the split: what must never happen, for any catalogue, and the published protocol."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from equimorph.data.apportion import largest_remainder
from equimorph.data.classes import GALAXY10_COUNTS
from equimorph.data.sky import sky_groups
from equimorph.data.split import (
    DRAWN,
    check_no_leak,
    describe_split,
    effective_fractions,
    make_split,
)
from equimorph.data.split_file import PARTS, SUBSETS, split_csv
from equimorph.errors import InputError
from tests.conftest import ROOT

WORKFLOW = ROOT / "workflow"
FRACTIONS = {"train": 0.7, "validation": 0.1, "test": 0.2}
RADIUS = 67.0
# Of the catalogue in test_the_hash_is_stable: a change means that published splits change.
PINNED = "38ecd18c5a67fb98217575fb50f4cb719d2d38741573d8d0862e3f527183a810"


def table(label, ra, dec):
    label = np.asarray(label, np.int64)
    return pd.DataFrame(
        {
            "index": np.arange(len(label)),
            "label": label,
            "class_name": [f"class {number}" for number in label],
            "ra": np.asarray(ra, np.float64),
            "dec": np.asarray(dec, np.float64),
            "redshift": np.nan,
            "pxscale": 0.262,
        }
    )


def isolated(counts):
    """Return galaxies a degree apart, classes in order, as in the published file."""
    label = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(label))
    return table(label, number % 360, number // 360 - 80.0)


@st.composite
def clustered(draw):
    """Return a catalogue of single galaxies, chains of neighbours and duplicates, in any order."""
    n_classes = draw(st.integers(2, 4))
    singles = draw(st.lists(st.integers(25, 45), min_size=n_classes, max_size=n_classes))
    label, ra, dec = [], [], []
    for c, number in enumerate(singles):
        label += [c] * number
    place = 0
    for _ in label:
        ra.append(place % 360)
        dec.append(place // 360)
        place += 1
    for _ in range(draw(st.integers(0, 12))):
        for step in range(draw(st.integers(2, 4))):
            label.append(draw(st.integers(0, n_classes - 1)))
            ra.append(place % 360)
            # Either the same position or a minute of arc further on, so chains exceed the radius.
            dec.append(50 + step * draw(st.sampled_from([0, 60])) / 3600)
        place += 1
    galaxies = table(label, ra, dec)
    unknown = draw(st.sets(st.integers(0, len(label) - 1), max_size=5))
    galaxies.loc[list(unknown), ["ra", "dec"]] = np.nan
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(label))
    return galaxies.iloc[order].reset_index(drop=True).assign(index=np.arange(len(label)))


def sides(split, n):
    """Return (n,) the subset of each galaxy; fails where one has none or several."""
    side = np.full(n, -1)
    for number, subset in enumerate(SUBSETS):
        assert (side[split[subset]] == -1).all(), "disjoint"
        side[split[subset]] = number
    assert (side >= 0).all(), "complete"
    return side


def conflicts(galaxies):
    """Return by brute force which galaxies share a position with one of another label."""
    known = galaxies[galaxies["ra"].notna()]
    labels = known.groupby(["ra", "dec"])["label"].nunique()
    bad = set(labels[labels > 1].index)
    return [row.Index for row in galaxies.itertuples() if (row.ra, row.dec) in bad]


@settings(max_examples=60, deadline=None)
@given(clustered(), st.integers(0, 2**31))
def test_clean_is_disjoint_complete_grouped_and_quarantines_conflicts(galaxies, seed):
    split = make_split(galaxies, "clean", FRACTIONS, seed, RADIUS)
    side = sides(split, len(galaxies))
    assert split["quarantined"].tolist() == conflicts(galaxies)
    assert len(split["unused"]) == 0
    group = sky_groups(galaxies["ra"], galaxies["dec"], RADIUS)
    used = side != SUBSETS.index("quarantined")
    for number in np.unique(group[used]):
        assert len(np.unique(side[used & (group == number)])) == 1
    check_no_leak(split, galaxies, RADIUS)
    for rows in split.values():
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


@settings(max_examples=60, deadline=None)
@given(clustered(), st.integers(0, 2**31))
def test_clean_meets_the_targets_where_single_galaxies_can_fill_them(galaxies, seed):
    # At least 25 single galaxies per class, and groups fit or are few: no class is off by more than
    # one group's worth.
    split = make_split(galaxies, "clean", FRACTIONS, seed, RADIUS)
    label = galaxies["label"].to_numpy()
    kept = np.delete(label, split["quarantined"])
    for c, total in enumerate(np.bincount(kept)):
        wanted = largest_remainder(total, [FRACTIONS[part] for part in PARTS])
        got = [int((label[split[part]] == c).sum()) for part in PARTS]
        assert np.abs(wanted - got).max() <= 3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(12, 90), min_size=1, max_size=5),
    st.sampled_from([(0.7, 0.1, 0.2), (0.6, 0.2, 0.2), (1 / 3, 1 / 3, 1 / 3), (0.5, 0.29, 0.21)]),
    st.integers(0, 2**31),
)
def test_single_galaxies_are_split_by_largest_remainders_exactly(counts, shares, seed):
    galaxies = isolated(counts)
    fractions = dict(zip(("train", "validation", "test"), shares, strict=True))
    split = make_split(galaxies, "clean", fractions, seed, RADIUS)
    found = describe_split(split, galaxies["label"].to_numpy())["counts"]
    for c, total in enumerate(counts):
        expected = largest_remainder(total, [fractions[part] for part in PARTS])
        assert [found[part][c] for part in PARTS] == expected.tolist()


@settings(max_examples=20, deadline=None)
@given(clustered(), st.integers(0, 2**31), st.integers(2, 6))
def test_every_galaxy_is_in_one_test_fold(galaxies, seed, folds):
    label = galaxies["label"].to_numpy()
    seen = []
    for fold in range(folds):
        split = make_split(galaxies, "clean", FRACTIONS, seed, RADIUS, folds, fold)
        sides(split, len(galaxies))
        check_no_leak(split, galaxies, RADIUS)
        seen.append(split["test"])
        kept = np.bincount(np.delete(label, split["quarantined"]))
        assert np.abs(np.bincount(label[split["test"]]) - kept / folds).max() <= 4
        rest = len(split["train"]) + len(split["validation"])
        assert abs(len(split["validation"]) - rest / 8) <= 2 * len(kept)
    everything = np.setdiff1d(np.arange(len(label)), split["quarantined"])
    assert np.array_equal(np.sort(np.concatenate(seen)), everything)


def test_folds_of_single_galaxies_are_of_equal_size():
    galaxies = isolated([52, 52, 52, 52, 52])
    sizes = [
        len(make_split(galaxies, "clean", FRACTIONS, 1, RADIUS, 5, fold)["test"])
        for fold in range(5)
    ]
    assert sizes == [52] * 5
    assert effective_fractions("clean", FRACTIONS, 4) == pytest.approx(
        {"test": 0.25, "validation": 0.09375, "train": 0.65625}
    )


def test_the_test_set_does_not_depend_on_the_share_of_validation():
    galaxies = isolated([100, 60])
    other = {"train": 0.5, "validation": 0.3, "test": 0.2}
    first = make_split(galaxies, "clean", FRACTIONS, 5, RADIUS)
    second = make_split(galaxies, "clean", other, 5, RADIUS)
    assert np.array_equal(first["test"], second["test"])
    assert len(second["validation"]) == 48


def test_a_subset_may_be_wished_empty():
    only_test = make_split(
        isolated([9, 4]), "clean", {"train": 0, "validation": 0, "test": 1}, 0, RADIUS
    )
    assert len(only_test["test"]) == 13
    assert len(only_test["train"]) == len(only_test["validation"]) == 0


def test_a_neighbour_of_a_quarantined_galaxy_stays_with_the_other():
    # 40" left and right of a conflicting pair: 80" apart, joined through the pair.
    dec = np.array([0, 0, -40, 40]) / 3600
    near = table([0, 1, 0, 1], [100.0] * 4, 50 + dec)
    galaxies = pd.concat([near, isolated([40, 40])], ignore_index=True)
    for seed in range(12):
        split = make_split(galaxies, "clean", FRACTIONS, seed, RADIUS)
        assert split["quarantined"].tolist() == [0, 1]
        assert sum({2, 3} <= set(split[part].tolist()) for part in PARTS) == 1


def test_copies_of_one_image_stay_on_one_side():
    galaxies = isolated([60, 60])
    galaxies[["ra", "dec"]] = np.nan
    lookalikes = np.array([[0, 1], [1, 2], [59, 60], [100, 110]])
    for seed in range(12):
        split = make_split(galaxies, "clean", FRACTIONS, seed, RADIUS, lookalikes=lookalikes)
        assert sum({0, 1, 2} <= set(split[part].tolist()) for part in PARTS) == 1
        assert sum({100, 110} <= set(split[part].tolist()) for part in PARTS) == 1
        assert split["quarantined"].tolist() == [59, 60]  # one image with two labels
        check_no_leak(split, galaxies, RADIUS, lookalikes)


def test_a_copy_joins_the_neighbours_of_both():
    # 0 has a neighbour on the sky, and so has its copy 2: all four belong together.
    near = table([0, 1, 0, 1], [10, 10, 50, 50], [0, 30 / 3600, 0, 30 / 3600])
    galaxies = pd.concat([near, isolated([40, 40])], ignore_index=True)
    for seed in range(12):
        split = make_split(
            galaxies, "clean", FRACTIONS, seed, RADIUS, lookalikes=np.array([[0, 2]])
        )
        assert sum({0, 1, 2, 3} <= set(split[part].tolist()) for part in PARTS) == 1


def test_blank_images_are_quarantined():
    galaxies = isolated([40, 40])
    split = make_split(galaxies, "clean", FRACTIONS, 0, RADIUS, blank=np.array([3, 50]))
    sides(split, 80)
    assert split["quarantined"].tolist() == [3, 50]


def test_without_copies_the_split_is_that_of_positions_alone():
    galaxies = isolated([40, 40])
    none = {"lookalikes": np.empty((0, 2), np.int64), "blank": np.empty(0, np.int64)}
    first = make_split(galaxies, "clean", FRACTIONS, 0, RADIUS)
    second = make_split(galaxies, "clean", FRACTIONS, 0, RADIUS, **none)
    assert all(np.array_equal(first[subset], second[subset]) for subset in SUBSETS)


def test_half_of_the_images_are_not_quarantined_without_a_word():
    galaxies = isolated([40, 40])
    galaxies.loc[:25, ["ra", "dec"]] = galaxies.loc[40:65, ["ra", "dec"]] = (12.5, 3.0)
    message = "52 of 80 images would be quarantined, of which 52 are at the position, or a copy"
    with pytest.raises(InputError, match=message):
        make_split(galaxies, "clean", FRACTIONS, 0, RADIUS)
    with pytest.raises(InputError, match="70 of 80 images would be quarantined, of which 0 are"):
        make_split(isolated([40, 40]), "clean", FRACTIONS, 0, RADIUS, blank=np.arange(70))


def test_groups_go_to_every_subset():
    # 60 pairs: were they all sent to training, the test set would lack close galaxies.
    n = 60
    ra = np.repeat(np.arange(n), 2)
    dec = np.tile([0, 20 / 3600], n)
    split = make_split(table(np.arange(2 * n) % 2, ra, dec), "clean", FRACTIONS, 0, RADIUS)
    assert [len(split[part]) for part in PARTS] == [24, 12, 84]


def test_the_hash_is_stable_and_the_seed_changes_it():
    galaxies = isolated([30, 20, 25])
    galaxies.loc[40, ["ra", "dec"]] = galaxies.loc[3, ["ra", "dec"]].to_numpy()
    galaxies.loc[70, ["ra", "dec"]] = galaxies.loc[60, ["ra", "dec"]].to_numpy()
    label = galaxies["label"].to_numpy()

    def digest(seed):
        split = make_split(galaxies, "clean", FRACTIONS, seed, RADIUS)
        return hashlib.sha256(split_csv(split, label).encode()).hexdigest()

    assert digest(42) == PINNED
    assert digest(42) == digest(42)
    assert len({digest(seed) for seed in range(20)}) == 20


def test_legacy_repeats_the_published_counts_and_overlap():
    galaxies = isolated(GALAXY10_COUNTS)
    label = galaxies["label"].to_numpy()
    split = make_split(galaxies, "legacy_leaky", FRACTIONS, 42)
    found = describe_split(split, label)
    assert [found["total"][s] for s in ("train", "validation", "unused")] == [11352, 2837, 3547]
    assert found["counts"]["test"] == [216, 370, 529, 405, 66, 408, 365, 525, 284, 374]
    three = np.concatenate([split[s] for s in ("train", "validation", "unused")])
    assert np.array_equal(np.sort(three), np.arange(len(galaxies)))
    assert len(np.unique(split["test"])) == 3542
    # Hypergeometric: 64 % and 16 %, with standard deviations of 0.72 % and 0.55 %.
    overlap = found["overlap"]
    assert overlap["test_in_train"]["share"] == pytest.approx(0.64, abs=0.025)
    assert overlap["test_in_validation"]["share"] == pytest.approx(0.16, abs=0.02)
    seen = set(split["test"].tolist()) & set(split["train"].tolist())
    assert overlap["test_in_train"]["galaxies"] == len(seen)
    with pytest.raises(InputError, match="are also in test"):
        check_no_leak(split, galaxies, 0)


def test_check_no_leak_finds_a_neighbour_and_a_repeated_galaxy():
    galaxies = table([0, 0, 0], [10, 10, 50], [0, 30 / 3600, 0])
    apart = {"train": np.array([0]), "validation": np.array([2]), "test": np.array([1])}
    with pytest.raises(InputError, match="0 in train and 1 in test, 30.0 arcsec apart"):
        check_no_leak(apart, galaxies, RADIUS)
    check_no_leak(apart, galaxies, 29)
    validation = {"train": np.array([0]), "validation": np.array([1]), "test": np.array([2])}
    with pytest.raises(InputError, match="two sides"):
        check_no_leak(validation, galaxies, RADIUS)
    twice = {"train": np.array([0, 2]), "validation": np.array([1]), "test": np.array([2])}
    with pytest.raises(InputError, match="1 galaxies of train are also in test, the first is 2"):
        check_no_leak(twice, galaxies, 1)
    with pytest.raises(InputError, match="1 pairs of one image .* first 0 and 2;"):
        check_no_leak(validation, galaxies, 0, np.array([[0, 2]]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "random"}, "protocol 'random': allowed are clean, stratified, legacy_leaky"),
        ({"fractions": {"train": 0.7, "validation": 0.2, "test": 0.2}}, "add up to 1.1"),
        ({"fractions": {"train": 1.2, "validation": -0.4, "test": 0.2}}, "from 0 to 1"),
        ({"fractions": {"train": float("nan"), "validation": 0.1, "test": 0.2}}, "add up to nan"),
        ({"fractions": {"train": 0.8, "test": 0.2}}, "needed are test, validation, train"),
        ({"seed": -1}, "seed -1: allowed are the integers from 0"),
        ({"folds": 5}, "give both or neither"),
        ({"folds": 5, "fold": 5}, "numbered 0 to folds - 1"),
        ({"folds": 1, "fold": 0}, "at least 2 folds"),
        ({"protocol": "legacy_leaky", "folds": 5, "fold": 0}, "only clean has"),
        ({"fractions": {"train": 0, "validation": 0, "test": 1}, "folds": 2, "fold": 0}, "both"),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    given = {"protocol": "clean", "fractions": FRACTIONS, "seed": 0, **changes}
    with pytest.raises(InputError, match=message):
        make_split(isolated([30, 30]), **given)


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(InputError, match="class 1: none of its 4 galaxies falls to validation"):
        make_split(isolated([30, 4]), "clean", FRACTIONS, 0)


def run_script(tmp_path, *arguments):
    command = [sys.executable, WORKFLOW / "scripts/data/split.py"]
    command += ["--catalogue", tmp_path / "catalogue.csv", "--seed", 42, *arguments]
    command += ["--lookalikes", tmp_path / "pairs.csv", "--blank", tmp_path / "blank.csv"]
    command += ["--train", 0.7, "--validation", 0.1, "--test", 0.2]
    command += ["--output-csv", tmp_path / "split.csv", "--output-json", tmp_path / "split.json"]
    environment = {**os.environ, "PYTHONPATH": str(WORKFLOW)}
    return subprocess.run(map(str, command), env=environment, capture_output=True, text=True)


def test_the_script_writes_a_split_and_its_hash(tmp_path):
    galaxies = isolated([30, 30])
    galaxies.to_csv(tmp_path / "catalogue.csv", index=False)
    (tmp_path / "pairs.csv").write_text("index_a,index_b\n0,1\n2,3\n29,30\n")
    (tmp_path / "blank.csv").write_text("index,label\n4,0\n")
    done = run_script(tmp_path, "--protocol", "clean", "--radius-arcsec", 67)
    assert done.returncode == 0, done.stderr
    description = json.loads((tmp_path / "split.json").read_text())
    content = (tmp_path / "split.csv").read_bytes()
    assert description["sha256"] == hashlib.sha256(content).hexdigest()
    assert description["leaky"] is False
    assert description["counts"]["test"] == [6, 6]
    assert description["counts"]["quarantined"] == [2, 1]
    assert description["overlap"]["test_in_train"] == {"galaxies": 0, "share": 0.0}
    assert description["radius_arcsec"] == 67

    done = run_script(tmp_path, "--protocol", "legacy_leaky")
    assert done.returncode == 0, done.stderr
    description = json.loads((tmp_path / "split.json").read_text())
    assert (description["protocol"], description["leaky"]) == ("legacy_leaky", True)
    assert description["overlap"]["test_in_train"]["galaxies"] > 0
    assert description["fractions"]["unused"] == 0.2

    done = run_script(tmp_path, "--protocol", "stratified", "--at-most-train", 9)
    assert done.returncode == 0, done.stderr
    description = json.loads((tmp_path / "split.json").read_text())
    assert description["leaky"] is True and description["at_most"] == {"train": 9}
    assert description["counts"]["train"] == [9, 9]
    assert description["overlap"]["test_in_train"]["galaxies"] == 0

    failed = run_script(tmp_path, "--folds", 5)
    assert failed.returncode == 1
    assert failed.stderr == "error: folds 5, fold None: give both or neither.\n"


@pytest.mark.parametrize(
    ("fractions", "counts"),
    [
        ((0.6, 0.2, 0.2), (10_641, 3_547, 3_548)),  # S2
        ((0.8, 0.1, 0.1), (14_188, 1_774, 1_774)),  # S4
        ((0.8, 0.2, 0.0), (14_188, 3_548, 3_548)),  # S3, whose validation set is tested
    ],
)
def test_stratified_repeats_the_published_counts(fractions, counts):
    galaxies = isolated(GALAXY10_COUNTS)
    label = galaxies["label"].to_numpy()
    given = dict(zip(("train", "validation", "test"), fractions, strict=True))
    split = make_split(galaxies, "stratified", given, 42)
    assert tuple(len(split[part]) for part in given) == counts
    assert not len(split["quarantined"]) and not len(split["unused"])
    for part in given:
        share = np.bincount(label[split[part]]) / np.array(GALAXY10_COUNTS)
        assert share == pytest.approx(
            np.full(10, counts[list(given).index(part)] / 17736), abs=0.01
        )
    once = [split["train"], split["validation"], *([split["test"]] if fractions[2] else [])]
    assert np.array_equal(np.sort(np.concatenate(once)), np.arange(len(galaxies)))
    assert np.array_equal(split["test"], split["validation"]) == (fractions[2] == 0)
    train, rest = train_test_split(
        np.arange(len(label)),
        test_size=counts[1] + (counts[2] if fractions[2] else 0),
        stratify=label,
        random_state=42,
    )
    assert np.array_equal(split["train"], np.sort(train))
    found = effective_fractions("stratified", given)
    assert found == {**given, "test": given["test"] or given["validation"]}


def test_stratified_leaves_neighbours_apart_which_clean_does_not():
    galaxies = isolated([60, 60])
    galaxies["ra"], galaxies["dec"] = np.arange(120) // 2 * 3.0, 0.0
    with pytest.raises(InputError, match="pairs within 67 arcsec stand on two sides"):
        check_no_leak(make_split(galaxies, "stratified", FRACTIONS, 0), galaxies, RADIUS)
    check_no_leak(make_split(galaxies, "clean", FRACTIONS, 0), galaxies, RADIUS)


def test_a_class_that_cannot_be_stratified_is_named():
    with pytest.raises(InputError, match="protocol stratified: The least populated class"):
        make_split(isolated([30, 1]), "stratified", FRACTIONS, 0)


def test_the_balanced_sets_of_s4():
    galaxies = isolated(GALAXY10_COUNTS)
    label = galaxies["label"].to_numpy()
    fractions = {"train": 0.8, "validation": 0.2, "test": 0.0}
    at_most = {"train": 267, "validation": 66, "test": 66}
    split = make_split(galaxies, "stratified", fractions, 42, at_most=at_most)
    assert {part: len(split[part]) for part in at_most} == {
        "train": 2670,
        "validation": 660,
        "test": 660,
    }
    for part, most in at_most.items():
        assert np.bincount(label[split[part]]).tolist() == 10 * [most]
    assert np.array_equal(split["test"], split["validation"])
    whole = make_split(galaxies, "stratified", fractions, 42)
    assert all(np.isin(split[part], whole[part]).all() for part in at_most)
    kept = np.union1d(split["train"], split["test"])
    assert np.array_equal(split["unused"], np.setdiff1d(np.arange(len(label)), kept))
    other = make_split(galaxies, "stratified", fractions, 43, at_most=at_most)
    assert not np.array_equal(other["train"], split["train"])


@pytest.mark.parametrize("protocol", DRAWN)
def test_at_most_takes_out_of_the_subsets_it_names_alone(protocol):
    galaxies = isolated([80, 80])
    label = galaxies["label"].to_numpy()
    whole = make_split(galaxies, protocol, FRACTIONS, 3)
    split = make_split(galaxies, protocol, FRACTIONS, 3, at_most={"train": 5, "test": None})
    assert np.bincount(label[split["train"]]).tolist() == [5, 5]
    for part in ("validation", "test", "quarantined"):
        assert np.array_equal(split[part], whole[part])
    assert make_split(galaxies, protocol, FRACTIONS, 3, at_most={}).keys() == whole.keys()

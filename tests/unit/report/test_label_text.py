"""What the report says of the label curve."""

import pandas as pd

from equimorph.report.label_text import sentences


def line(network, group, pretrained, accuracies):
    return [
        (network, group, pretrained, labels, seed, accuracy + (0.02 if seed else -0.02))
        for labels, accuracy in accuracies.items()
        for seed in (0, 1)
    ]


def table(*lines):
    columns = ["network", "group", "pretrained", "labels", "seed", "accuracy"]
    return pd.DataFrame([row for one in lines for row in one], columns=columns)


SCRATCH = line("D4", "D4", False, {100: 0.5, 1000: 0.8})
PRETRAINED = line("D4", "D4", True, {0: 0.6, 100: 0.7, 1000: 0.81})
PLAIN = line("CNN", None, False, {100: 0.45, 1000: 0.7})


def test_it_says_what_symmetry_and_pretraining_are_worth():
    assert sentences(table(SCRATCH, PRETRAINED, PLAIN)) == [
        "D4 from random weights against CNN from random weights, mean accuracy in points: "
        "+5.0 with 100, +10.0 with 1,000 labels.",
        "D4, pretrained against D4 from random weights, mean accuracy in points: "
        "+20.0 with 100, +1.0 with 1,000 labels.",
        "D4, pretrained, reaches with 100 labels what CNN from random weights has with 1,000 "
        "(70.0 and 70.0 %).",
    ]


def test_lines_without_common_points_are_not_compared():
    assert sentences(table(line("D4", "D4", False, {100: 0.5}), PLAIN[2:])) == []

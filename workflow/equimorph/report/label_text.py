"""The label curve in sentences."""

from typing import NamedTuple

import pandas as pd

from equimorph.report.wording import points


class Line(NamedTuple):
    """One line of the curve.

    Attributes:
        network: its name.
        plain: whether it is of no group.
        pretrained: whether it was trained on simulated galaxies before.
        accuracy: mean over seeds by number of labels, ascending.
    """

    network: str
    plain: bool
    pretrained: bool
    accuracy: pd.Series

    @property
    def name(self) -> str:
        """The network and where it started."""
        return f"{self.network}{', pretrained' if self.pretrained else ' from random weights'}"


def sentences(table: pd.DataFrame) -> list[str]:
    """Say what symmetry and pretraining are worth, in points and in labels.

    Args:
        table: what `evaluation.label_curve` returned.
    """
    lines = _lines(table[table["labels"] > 0])
    said = []
    for line in lines:
        for other in lines:
            symmetry = other.plain and not line.plain and line.pretrained == other.pretrained
            start = line.network == other.network and line.pretrained and not other.pretrained
            if symmetry or start:
                said.append(_ahead(line, other))
    best = max(lines, key=lambda line: line.accuracy.mean())
    said += [_worth(best, other) for other in lines if other is not best]
    return [sentence for sentence in said if sentence]


def _lines(table: pd.DataFrame) -> list[Line]:
    return [
        Line(
            str(network),
            bool(rows["group"].isna().all()),
            bool(pretrained),
            rows.groupby("labels")["accuracy"].mean(),
        )
        for (network, pretrained), rows in table.groupby(["network", "pretrained"], sort=False)
    ]


def _ahead(line: Line, other: Line) -> str:
    """Say by how much one line is above another, where both have points."""
    gap = (line.accuracy - other.accuracy).dropna()
    if len(gap) < 2:
        return ""
    # What is nothing after rounding has no minus.
    at = ", ".join(f"{points(round(v, 3) or 0.0)} with {labels:,}" for labels, v in gap.items())
    return f"{line.name} against {other.name}, mean accuracy in points: {at} labels."


def _worth(line: Line, other: Line) -> str:
    """Say with how few labels one line reaches what another has with its most."""
    most = other.accuracy.index[-1]
    reached = line.accuracy.index[line.accuracy >= other.accuracy.iloc[-1]]
    if not len(reached) or reached[0] >= most:
        return ""
    return (
        f"{line.name}, reaches with {reached[0]:,} labels what {other.name} has with {most:,} "
        f"({100 * line.accuracy[reached[0]]:.1f} and {100 * other.accuracy.iloc[-1]:.1f} %)."
    )

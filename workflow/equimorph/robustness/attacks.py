"""What an attack by single pixels has found, victim by victim."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Attacks:
    """The best candidate against each of V victims, and what it took to find it.

    Attributes:
        success: whether it changes the predicted class.
        row: its pixel's row, from the top.
        column: its pixel's column, from the left.
        colour: (V, 3) its pixel values.
        predicted: class that the network predicts of it.
        probability: what it leaves the true class, the least that was found; among candidates that
            change the class where there are any.
        queries: forward passes until then.
        generations: generations of evolution, without the first population; 0 for exhaustion.
        successes: how many of all candidates change the class.
    """

    success: NDArray
    row: NDArray
    column: NDArray
    colour: NDArray
    predicted: NDArray
    probability: NDArray
    queries: NDArray
    generations: NDArray
    successes: NDArray

    @classmethod
    def joined(cls, parts: Sequence["Attacks"]) -> "Attacks":
        """Return the attacks on several groups of victims as one; on none there may be none."""
        if not parts:
            empty = {field.name: np.empty(0, int) for field in fields(cls)}
            return cls(**{**empty, "success": np.empty(0, bool), "colour": np.empty((0, 3))})
        columns = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))

    def arrays(self) -> dict[str, NDArray]:
        """Return the attributes by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def perturbed(self, images: NDArray) -> NDArray:
        """Return (V, 3, S, S) pixel values with each victim's pixel changed."""
        changed = images.copy()
        changed[np.arange(len(images)), :, self.row, self.column] = self.colour
        return changed

"""Weighted metrics are the plain ones of the resample that the weights stand for."""

import numpy as np
import pytest

from equimorph.analyses.weighted_metrics import WEIGHTED
from equimorph.evaluation.metrics import METRICS

GENERATOR = np.random.default_rng(0)
LABEL = GENERATOR.integers(4, size=60)
PROBABILITY = GENERATOR.dirichlet(np.ones(4), 60) * 0.5 + 0.5 * np.eye(4)[LABEL]


@pytest.mark.parametrize("metric", WEIGHTED)
def test_as_the_plain_metric_of_the_resample(metric):
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), 5)
    weights[4] = np.where(LABEL == 2, 0, 1)  # a class is missing
    found = WEIGHTED[metric](PROBABILITY, LABEL, weights)
    for value, counts in zip(found, weights, strict=True):
        rows = np.repeat(np.arange(60), counts)
        assert value == pytest.approx(METRICS[metric].of(PROBABILITY[rows], LABEL[rows]))

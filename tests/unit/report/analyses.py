"""Numbers of every analysis, as the jobs write them, for a report of three networks."""

import numpy as np

from equimorph.analyses.attack_measures import attack_measures
from equimorph.analyses.calibration import calibration_measures
from equimorph.analyses.latent_measures import latent_measures
from equimorph.analyses.sweep_measures import sweep_measures
from tests.unit.analyses import test_attack_measures as attacks
from tests.unit.analyses import test_calibration as calibration
from tests.unit.analyses import test_latent_measures as latent
from tests.unit.analyses import test_sweep_measures as sweeps

ORDERS = {"CNN": 1, "C4": 4, "D4": 8}


def numbers():
    """Return the content of each analysis's JSON file, by name."""
    victims = {
        "training_seed": 0,
        "common": [0, 1],
        "own": {name: [0, 2] for name in ORDERS},
        "available": {"common": 9, "own": dict.fromkeys(ORDERS, 9)},
    }
    attacked = {name: attacks.network([1, 0, 1], [0, 1, 0]) for name in ORDERS}
    answers = [calibration.answers(60, 2, seed) for seed in (0, 1)]
    calibrated = calibration_measures(answers, answers, ["a", "b", "c"])
    curves = {name: sweeps.curve([0.9, 0.5, 0.2]) for name in ORDERS}
    axis = {"label": "angle (degrees)", "percent": False, "falling": False, "logarithmic": False}
    swept = sweep_measures(curves, sweeps.LEVELS, False, "CNN", 100, 0)
    return {
        "attack": attack_measures(attacked, victims, ORDERS, "CNN", 3, 100, 0),
        "calibration": {"networks": dict.fromkeys(ORDERS, calibrated)},
        "exploration": {"galaxies": 90, "classes": {}},
        "explanation": {"images": 3, "turned_error": {"CNN": 0.2, "C4": 3e-7, "D4": 0.0}},
        "latent": latent_measures(dict.fromkeys(ORDERS, latent.stored()), 100, 0),
        "sweeps": {"angle": {"axis": axis, **swept}},
    }


def latent_map():
    """Return what the interactive map shows, of one galaxy whose class ends a script."""
    return {
        **{"model": "D4", "method": "t-SNE", "of": 30, "x": [0.1], "y": [0.2], "label": [0]},
        **{"predicted": [0], "confidence": [0.5], "neighbours": [[0]], "tile": 32, "columns": 1},
        **{"classes": ["</script>"], "colours": ["#332288"], "sprite": str(np.pi)},
    }

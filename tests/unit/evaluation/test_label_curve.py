"""The table of accuracy against labels."""

from equimorph.evaluation.label_curve import label_curve


def measures(group, images, accuracies, **changes):
    return {
        "group": group,
        "architecture": "gcnn" if group else "cnn",
        "train_images": images,
        "seeds": [0, 1],
        "pretrained": "zero_labels" in changes,
        "conditions": {"clean": {"accuracy": {"values": accuracies}}},
        **changes,
    }


def test_there_is_a_row_per_model_and_seed_and_pretraining():
    zero = {"accuracy": {"values": [0.6, 0.64]}}
    table = label_curve(
        [
            measures("D4", 1000, [0.8, 0.9]),
            measures("D4", 100, [0.7, 0.75], zero_labels=zero),
            measures("D4", 250, [0.71, 0.76], zero_labels=zero),
            measures(None, 100, [0.4, 0.5]),
        ]
    )
    assert table.fillna({"group": "none"}).values.tolist() == [
        ["CNN", "none", False, 100, 0, 0.4],
        ["CNN", "none", False, 100, 1, 0.5],
        ["D4", "D4", False, 1000, 0, 0.8],
        ["D4", "D4", False, 1000, 1, 0.9],
        ["D4", "D4", True, 0, 0, 0.6],
        ["D4", "D4", True, 0, 1, 0.64],
        ["D4", "D4", True, 100, 0, 0.7],
        ["D4", "D4", True, 100, 1, 0.75],
        ["D4", "D4", True, 250, 0, 0.71],
        ["D4", "D4", True, 250, 1, 0.76],
    ]

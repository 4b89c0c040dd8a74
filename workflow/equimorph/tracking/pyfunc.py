"""A checkpoint as an MLflow model.

MLflow runs this file when it loads one ("models from code"); nothing is unpickled.
"""

from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from equimorph.models.checkpoint import load_checkpoint
from equimorph.models.prediction import predict_logits


class Classifier(PythonModel):
    """Classifies (N, 3, S, S) uint8 images of the network's input size."""

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from its checkpoint."""
        self._network = load_checkpoint(context.artifacts["checkpoint"]).network

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Return (N, classes) float32 logits, or with `output` probabilities, those."""
        logits = predict_logits(self._network, torch.from_numpy(np.array(model_input)))
        output = (params or {}).get("output", "logits")
        if output not in ("logits", "probabilities"):
            raise ValueError(f"output {output!r}: allowed are logits, probabilities.")
        return (logits if output == "logits" else logits.softmax(1)).numpy()


set_model(Classifier())

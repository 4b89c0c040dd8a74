"""A checkpoint as an MLflow model.

MLflow runs this file when it loads one ("models from code"); nothing is unpickled.
"""

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from equimorph.models.prediction import predict_logits
from equimorph.models.trained import load_checkpoint


class Classifier(PythonModel):
    """Classifies (N, W, W, 3) uint8 images, whole as they come, of any size."""

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from its checkpoint."""
        self._checkpoint = load_checkpoint(context.artifacts["checkpoint"])

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Return (N, classes) float32 logits, or with `output` probabilities, those.

        The images are prepared as in training. `pixel_scale` is in arcsec per px; 0 means that they
        show the field that the training images show.
        """
        given = params or {}
        output = given.get("output", "logits")
        if output not in ("logits", "probabilities"):
            raise ValueError(f"output {output!r}: allowed are logits, probabilities.")
        inputs = self._checkpoint.prepare(model_input, given.get("pixel_scale") or None)
        logits = predict_logits(self._checkpoint.network, *inputs)
        return (logits if output == "logits" else logits.softmax(1)).numpy()


set_model(Classifier())

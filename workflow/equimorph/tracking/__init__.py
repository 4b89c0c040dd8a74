"""Optional records of training in TensorBoard and MLflow; off, neither is imported."""

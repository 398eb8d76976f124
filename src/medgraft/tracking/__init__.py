"""Where else a training is written down: TensorBoard, MLflow, Weights & Biases."""

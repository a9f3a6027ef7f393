"""From an experiment to a Keras model, its losses, its forward pass and its weights on disk."""

"""Uses of a trained network: evaluation, predictions, generation."""

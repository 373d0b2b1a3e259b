"""A trained network reads data: evaluation, predictions, generation."""

"""Experiments: settings and data become a training, which is run and recorded."""

"""Benchmarks: speed compared with PyTorch and JAX."""

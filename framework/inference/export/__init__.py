"""Trained networks in the formats of other tools: ONNX, and a module of PyTorch."""

"""Trained networks to and from other software: ONNX, PyTorch, safetensors, and MXNet's own symbol files."""

"""Runs an exported network with ONNX Runtime: needs numpy, Pillow and onnxruntime, nothing of ours.

The folder is copied into every export and works there, alone.
"""

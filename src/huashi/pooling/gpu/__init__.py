"""Pooling by Triton."""

"""Pooling by Numba."""

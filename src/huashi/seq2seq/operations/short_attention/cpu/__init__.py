"""The attention of sentences by Numba."""

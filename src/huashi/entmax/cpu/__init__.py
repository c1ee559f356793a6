"""The entmax family by Numba."""

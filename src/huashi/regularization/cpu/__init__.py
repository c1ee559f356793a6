"""Proximal steps by Numba."""

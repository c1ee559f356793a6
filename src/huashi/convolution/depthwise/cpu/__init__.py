"""Depthwise convolution over time, by Numba."""

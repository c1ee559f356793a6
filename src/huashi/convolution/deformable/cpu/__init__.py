"""Deformable convolution by Numba."""

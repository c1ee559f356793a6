"""Penalties in training: the optimiser, strengths over time, certificates."""

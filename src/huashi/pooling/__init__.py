"""Pooling: what a window of an image or a sequence has to say, in one number or a few."""

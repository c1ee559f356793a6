"""A model fused with one that was trained before."""

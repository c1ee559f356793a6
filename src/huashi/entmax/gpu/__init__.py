"""The entmax family by Triton."""

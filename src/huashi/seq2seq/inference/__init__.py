"""A trained model at work: translating, sampling, and all choices of a search."""

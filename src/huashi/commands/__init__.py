"""The commands of ``huashi``: functions whose signatures and docstrings are its options."""

"""What every sequence model offers to search and training, and its output layer."""

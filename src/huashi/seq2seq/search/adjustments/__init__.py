"""What changes the log-probabilities of a step of a search before it chooses."""

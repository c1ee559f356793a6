"""Training of any model: the loop, the settings, the learning rate and the best weights."""

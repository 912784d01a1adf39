"""The training loop: compile, fit, evaluate and predict, the data they read and what they show."""

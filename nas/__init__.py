"""Runs the search: command line, training, early exits, reward, results."""

"""What leaves a run: the config of a network, and its weights in the forms that devices take."""

"""Who chooses: Optuna samplers, the platform's own among them."""

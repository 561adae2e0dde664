"""The controllers of the platform: name to `module:factory`, imported only when asked for."""

CONTROLLERS = {
    "random": "controllers.optuna_own:random",
    "tpe": "controllers.optuna_own:tpe",
    "nsga2": "controllers.optuna_own:nsga2",
    "reinforce": "controllers.reinforce:reinforce",
}

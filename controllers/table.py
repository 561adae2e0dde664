"""The controllers of the platform: name to `module:factory`, imported only when asked for."""

CONTROLLERS = {
    "random": "controllers.optuna_own:random",
    "tpe": "controllers.optuna_own:tpe",
    "nsga2": "controllers.optuna_own:nsga2",
    "gp": "controllers.optuna_own:gp",
    "local_search": "controllers.local_search:local_search",
    "evolution": "controllers.evolution:evolution",
    "reinforce": "controllers.reinforce:reinforce",
    "surrogate": "controllers.surrogate:surrogate",
    "ppo": "controllers.ppo:ppo",
}

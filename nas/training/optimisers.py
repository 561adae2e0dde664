"""The optimisers of the recipes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nas.training.recipe import Recipe


def optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimiser of a recipe over all parameters of a network."""
    groups: list[dict[str, object]] = (
        [{"params": list(network.parameters()), "weight_decay": recipe.weight_decay}]
        if recipe.decay_all
        else parameter_groups(network, recipe.weight_decay)
    )
    if recipe.optimiser == "rmsprop":
        return RMSPropTF(groups, recipe.lr, recipe.rms_decay, recipe.momentum, recipe.rms_eps)
    return torch.optim.SGD(
        groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=True
    )


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weights that decay (two dimensions and more) and those that do not (biases, norms)."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, object]] = [{"params": weights, "weight_decay": weight_decay}]
    return [*groups, {"params": others, "weight_decay": 0.0}] if others else groups


class RMSPropTF(torch.optim.Optimizer):
    """RMSProp as TensorFlow 1 has it, which the papers' constants were found with.

    s <- decay·s + (1-decay)·g², m <- momentum·m + lr·g/sqrt(s + eps), p <- p - m, where s begins
    with ones. torch.optim.RMSprop adds eps outside of the root, begins with zeros and multiplies
    m, not g, by the rate: with Inception's eps of 1.0 that is another optimiser.
    """

    def __init__(
        self,
        params: list[dict[str, object]],
        lr: float,
        decay: float,
        momentum: float,
        eps: float,
    ) -> None:
        super().__init__(params, {"lr": lr, "decay": decay, "momentum": momentum, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Moves every parameter that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["square"] = torch.ones_like(parameter)
            state["momentum"] = torch.zeros_like(parameter)
        if group["weight_decay"]:
            gradient = gradient.add(parameter, alpha=group["weight_decay"])
        square, momentum = state["square"], state["momentum"]
        square.mul_(group["decay"]).addcmul_(gradient, gradient, value=1 - group["decay"])
        scaled = gradient / (square + group["eps"]).sqrt_()
        momentum.mul_(group["momentum"]).add_(scaled, alpha=group["lr"])
        parameter.sub_(momentum)

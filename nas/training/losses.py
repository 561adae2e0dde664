"""What a step of training makes small: one scalar for a batch."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from nas.errors import UserError
from nas.training.recipe import Recipe
from search_spaces.network import StagedNetwork

Loss = Callable[[StagedNetwork, Tensor, Tensor], Tensor]
"""(network, x [batch, c, h, w], labels int64 [batch]) -> scalar."""
OwnLoss = Callable[[list[Tensor], Tensor], Tensor]
"""(logits of every exit [batch, classes], labels int64 [batch]) -> scalar."""


def loss_of(network: StagedNetwork, recipe: Recipe, own: OwnLoss | None = None) -> Loss:
    """The loss of a recipe for a network, or one of the user's own, which then is the whole loss.

    Raises:
        UserError: exit weights of another number of exits, or together with an own loss.
    """
    weights, exits = recipe.exit_weights, network.graph.exits
    special = weights is not None or recipe.distill > 0
    if own is not None:
        if special:
            raise UserError("an own loss weighs the exits itself: no exit weights or distillation")
        return lambda network, x, y: own(_exit_logits(network, network.training_logits(x)), y)
    if weights is not None and len(weights) != len(exits):
        raise UserError(f"{len(weights)} exit weights for {len(exits)} exits: give one an exit")
    if weights is not None and not set(exits) <= {name for name, _ in network.losses}:
        raise UserError("exit weights: the exits of this network are not what is trained")
    if special:
        return _Weighted(recipe, weights or (1.0,) * len(exits))
    smoothing = recipe.label_smoothing
    return lambda network, x, y: torch.stack(network.training_losses(x, y, smoothing)).sum()


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the student's softened answers from the teacher's, both [batch, classes].

    T²·KL(softmax(teacher/T) || softmax(student/T)), mean over the batch; only the student learns.
    Hinton, Vinyals and Dean (2015), section 2; within a network Zhang et al. (ICCV 2019).
    """
    wanted = (teacher.detach() / temperature).log_softmax(dim=1)
    given = (student / temperature).log_softmax(dim=1)
    return temperature**2 * kl_div(given, wanted, reduction="batchmean", log_target=True)


class _Weighted:
    """Cross-entropies and, for all exits but the last, distillation, times the exits' weights."""

    def __init__(self, recipe: Recipe, weights: tuple[float, ...]) -> None:
        self.recipe, self.weights = recipe, weights

    def __call__(self, network: StagedNetwork, x: Tensor, y: Tensor) -> Tensor:
        recipe = self.recipe
        logits = network.training_logits(x)
        of_exit = dict(zip(network.graph.exits, self.weights, strict=True))
        terms = [
            of_exit.get(name, 1.0)
            * weight
            * cross_entropy(logits[name], y, label_smoothing=recipe.label_smoothing)
            for name, weight in network.losses
        ]
        if recipe.distill:
            *earlier, last = _exit_logits(network, logits)
            terms += [
                weight * recipe.distill * distillation(each, last, recipe.distill_temperature)
                for weight, each in zip(self.weights, earlier, strict=False)
            ]
        return torch.stack(terms).sum()


def _exit_logits(network: StagedNetwork, logits: dict[str, Tensor]) -> list[Tensor]:
    return [logits[name] for name in network.graph.exits]

"""How much memory a training will take, from the operators of its network."""

from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs, operators

_VALUE = 4  # bytes, in 32 bits: for 16 bits this is more than enough
_OF_A_WEIGHT = 4  # itself, its gradient, its momentum, and one that is being computed
_IN_WORK = 2  # inputs and outputs of one operator, and the gradients of both


def training_bytes(graph: BlockGraph, batch: int) -> int:
    """Bytes that weights and the values kept for the backward pass take, `batch` images at a time.

    Exact for no machine: kernels add buffers of their own. Activations overwrite what they read.
    """
    all_of_them = [operator for stage in operators(graph) for operator in stage]
    kept = sum(each.elements_out for each in all_of_them if each.kind != "activation")
    largest = max((each.elements_in + each.elements_out for each in all_of_them), default=0)
    values = batch * (kept + _IN_WORK * largest)
    return _VALUE * (values + _OF_A_WEIGHT * costs(graph).parameters)

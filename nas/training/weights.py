"""Weights of a network as safetensors: plain numbers with names, nothing that can run."""

from pathlib import Path

import safetensors
import safetensors.torch
from torch import nn

from nas.errors import UserError

FILE = "weights.safetensors"
"""The name of a network's weights beside its config."""

FLOAT = 4
"""Bytes of a weight."""

HEAD = 8 * 2**20
"""Bytes at most of the names and shapes of all tensors."""

_LONGEST = 160  # characters: a list of missing weights may name them all


def to_bytes(network: nn.Module) -> bytes:
    """All parameters and buffers of `network`."""
    state = network.state_dict()
    return safetensors.torch.save({name: t.contiguous().cpu() for name, t in state.items()})


def load_file(network: nn.Module, path: Path) -> None:
    """Put into `network` the weights in a file, which is not read where it is too large for them.

    Raises:
        UserError: unreadable, not safetensors, or of another network.
    """
    holds = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    try:
        with path.open("rb") as file:
            content = file.read(holds + HEAD + 1)
    except OSError as error:
        raise UserError(f"{path}: weights cannot be read ({error.strerror})") from None
    if len(content) > holds + HEAD:
        raise UserError(f"{path}: weights do not fit the network: the file is larger than all")
    try:
        load_bytes(network, content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def load_bytes(network: nn.Module, weights: bytes) -> None:
    """Put into `network` what `to_bytes` took from one of the same architecture.

    Raises:
        UserError: not safetensors, or of another network.
    """
    try:
        state = safetensors.torch.load(weights)
        network.load_state_dict(state)
    except (safetensors.SafetensorError, RuntimeError) as error:
        # torch's first line names its class, the second what is missing, too many or of other size.
        lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
        reason = lines[-1 if len(lines) == 1 else 1][:_LONGEST]
        raise UserError(f"weights do not fit the network: {reason}") from error

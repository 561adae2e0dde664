"""An exponential moving average of weights: less noisy than the weights of any one step."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """The average of a network's parameters and BatchNorm statistics over its steps.

    average <- d·average + (1-d)·value, d = min(decay, (1+n)/(10+n)) at step n (from 1), as TF's
    ExponentialMovingAverage with num_updates: a decay of 0.9999, fit for 400,000 steps, would
    still hold the first weights after 1,000. Counters are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.values = _copy(network.state_dict())

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the network after another step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)

    @contextmanager
    def applied(self, network: nn.Module) -> Iterator[None]:
        """Inside, the network has the average; afterwards its own weights again."""
        own = _copy(network.state_dict())
        network.load_state_dict(self.values)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def state(self) -> dict[str, object]:
        """What `load` takes."""
        return {"steps": self.steps, "values": self.values}

    def load(self, state: Mapping[str, Any] | None, network: nn.Module) -> None:
        """Go on where `state` was taken; without one, from the network as it is now."""
        values = network.state_dict() if state is None else state["values"]
        self.steps = 0 if state is None else state["steps"]
        for name, value in values.items():
            self.values[name].copy_(value)


def average(network: nn.Module, decay: float | None) -> Average | None:
    """The average of this network's weights to come, if there is to be one."""
    return None if decay is None else Average(network, decay)


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}

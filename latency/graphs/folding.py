"""Calls of a stage, with what runtimes compute in one go folded into one step.

Converters to the formats of phones fold a BatchNorm into the convolution before it, an activation
into the operator before it, and zeros around an image into the convolution that reads them. What
is timed shall be what would be deployed, so the same is done here.
"""

from collections import Counter
from dataclasses import dataclass, replace

from torch import nn

from latency.graphs.recording import Call, Recording, Shape
from search_spaces import layers

ACTIVATIONS = (nn.ReLU, nn.ReLU6)
ACTIVATED = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, layers.AddGrown)


@dataclass(frozen=True, slots=True)
class Step:
    """A call, and what is folded into it: zeros before it, BatchNorm and activation after it.

    ``inputs`` and ``output`` are the names read and given by all of it together; the shapes are
    theirs. ``margins``: zeros above and on the left; as many follow as the kernel still reads.
    """

    call: Call
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output: str
    margins: tuple[int, int] = (0, 0)
    norm: nn.BatchNorm2d | None = None
    activation: nn.Module | None = None


def fold(recording: Recording) -> tuple[Step, ...]:
    """Return the steps of a recording in an order in which they can run.

    Only what nothing else reads is folded away.
    """
    readers = Counter(name for call in recording.calls for name in call.inputs)
    readers.update(name for name, _ in recording.outputs)
    steps: dict[str, Step] = {}  # by what they give
    for call in recording.calls:
        before = [steps.get(name) for name in call.inputs]
        only = before[0] if len(before) == 1 and readers[call.inputs[0]] == 1 else None
        step = _joined(only, call) if only else None
        if only and step:
            del steps[only.output]
        steps[call.output] = step or Step(call, call.inputs, call.input_shapes, call.output)
    return tuple(steps.values())


def _joined(before: Step, call: Call) -> Step | None:
    """Return both as one step, None where they stay apart."""
    first, second = before.call.module, call.module
    if isinstance(first, layers.SamePad) and isinstance(second, nn.Conv2d):
        left, _, above, _ = first.margins(before.input_shapes[0][1:])
        return replace(before, call=call, output=call.output, margins=(above, left))
    if before.activation is not None:
        return None
    if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and not before.norm:
        return replace(before, norm=second, output=call.output)
    if isinstance(first, ACTIVATED) and isinstance(second, ACTIVATIONS):
        return replace(before, activation=second, output=call.output)
    return None

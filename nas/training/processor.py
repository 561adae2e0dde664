"""In which precision this machine's processor trains faster, found by a short test."""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import nn

from latency.lane import Lane
from nas.training.precision import BFLOAT16, DENSE, FLOAT32
from nas.training.steps import threads

_GAIN = 1.1  # times as fast, or 16 bits are not worth their rounding
_GAIN_ANYWHERE = 1.3  # of the depthwise block, to train networks of all kinds in 16 bits
_CHANNELS, _PIXELS, _BATCH, _STEPS = 16, 32, 64, 9


@cache  # it is the same machine as long as this process lives
def of_this_machine() -> str:
    """The precision that `fastest` finds here, beside no measurement."""
    return fastest(time.thread_time, Lane().training)


def fastest(
    clock: Callable[[], float],
    pause: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> str:
    """The precision of `PRECISIONS` that suits this processor, in about a second of one core.

    Steps of a dense and of a depthwise block are timed in 32 and 16 bits in turn, and the medians
    compared. clock: seconds that this thread has worked. pause: a context entered around every
    step. Torch's own random generator is left as it was.
    """
    with threads(1), torch.random.fork_rng(devices=[]):
        if _gain(_dense(), clock, pause) < _GAIN:
            return FLOAT32
        anywhere = _gain(_depthwise(), clock, pause) >= _GAIN_ANYWHERE
        return BFLOAT16 if anywhere else DENSE


def _gain(
    block: nn.Module,
    clock: Callable[[], float],
    pause: Callable[[], AbstractContextManager[object]],
) -> float:
    """How many times as fast the block is in 16 bits."""
    block.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(_BATCH, _CHANNELS, _PIXELS, _PIXELS)
    x = x.contiguous(memory_format=torch.channels_last)
    spent: dict[bool, list[float]] = {False: [], True: []}
    for step in range(_STEPS + 1):
        for sixteen in (False, True):
            with pause():
                start = clock()
                with torch.autocast("cpu", torch.bfloat16, enabled=sixteen):
                    loss = block(x).float().square().mean()
                torch.autograd.backward(loss)
                if step:  # the first sets up the kernels
                    spent[sixteen].append(clock() - start)
    return statistics.median(spent[False]) / statistics.median(spent[True])


def _dense() -> nn.Module:
    return nn.Sequential(*_conv(_CHANNELS, 3), *_conv(_CHANNELS, 3))


def _depthwise() -> nn.Module:
    wide = 3 * _CHANNELS // 2  # no multiple of what a processor takes at once
    return nn.Sequential(
        *_conv(wide, 1),
        nn.Conv2d(wide, wide, 3, 2, groups=wide, bias=False),
        nn.BatchNorm2d(wide),
        *_conv(_CHANNELS, 1, wide),
    )


def _conv(out: int, kernel: int, given: int = _CHANNELS) -> list[nn.Module]:
    conv = nn.Conv2d(given, out, kernel, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]

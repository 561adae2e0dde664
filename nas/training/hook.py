"""A user's own loss and metric: a Python file with one or both of two functions.

    def loss(logits, labels):
        '''logits: a list of tensors [batch, classes], one an exit; labels: int64 [batch].
        Returns the scalar that is made small.'''

    def metric(answers, labels, classes):
        '''answers: int64 [images, exits], labels: int64 [images], of the held-out images.
        Returns a number, larger is better, that chooses the best epoch.'''

The file runs as it is, with the rights of whoever starts the training.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nas.errors import UserError
from nas.training.losses import OwnLoss
from nas.training.metrics import Metric


@dataclass(frozen=True, slots=True)
class Hook:
    """What a file gave. digest: SHA-256 of its text, so that a changed file is noticed."""

    path: Path
    digest: str
    loss: OwnLoss | None
    metric: Metric | None


def load(path: Path) -> Hook:
    """Run a hook file and take its functions.

    Raises:
        UserError: the file cannot be read or run, or has neither function.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"hook {path}: cannot be read ({error.strerror})") from None
    module = ModuleType("nas_hook")
    module.__file__ = str(path)
    _guarded(path, "cannot be run", lambda: exec(compile(text, path, "exec"), vars(module)))
    found = {name: getattr(module, name, None) for name in ("loss", "metric")}
    for name, function in found.items():
        if function is not None and not callable(function):
            raise UserError(f"hook {path}: {name} is no function")
    if not any(found.values()):
        raise UserError(
            f"hook {path}: defines neither loss(logits, labels) nor metric(answers, "
            "labels, classes)"
        )
    return Hook(
        path.absolute(),
        hashlib.sha256(text).hexdigest(),
        found["loss"] and _checked_loss(path, found["loss"]),
        found["metric"] and _checked_metric(path, found["metric"]),
    )


def try_out(hook: Hook, exits: int, classes: int) -> None:
    """Call the functions once with made-up answers, so that mistakes show before any training.

    Raises:
        UserError: as they would in training.
    """
    labels = torch.arange(2 * classes) % classes
    generator = torch.Generator().manual_seed(0)
    if hook.loss is not None:
        logits = torch.randn(exits, len(labels), classes, generator=generator, requires_grad=True)
        hook.loss(list(logits.unbind()), labels)
    if hook.metric is not None:
        answers = torch.randint(classes, (len(labels), exits), generator=generator)
        hook.metric(answers, labels, classes)


def _checked_loss(path: Path, function: Callable[..., Any]) -> OwnLoss:
    def loss(logits: list[Tensor], labels: Tensor) -> Tensor:
        given = _guarded(path, "loss failed", lambda: function(logits, labels))
        if not (isinstance(given, Tensor) and given.ndim == 0 and given.is_floating_point()):
            raise UserError(f"hook {path}: loss must return a scalar tensor, not {_kind(given)}")
        if not given.requires_grad:
            raise UserError(f"hook {path}: loss does not depend on the logits, nothing can learn")
        return given

    return loss


def _checked_metric(path: Path, function: Callable[..., Any]) -> Metric:
    def metric(answers: Tensor, labels: Tensor, classes: int) -> float:
        given = _guarded(path, "metric failed", lambda: function(answers, labels, classes))
        try:
            number = float(given)
        except (TypeError, ValueError, RuntimeError):
            number = math.nan
        if not math.isfinite(number):
            raise UserError(f"hook {path}: metric must return a finite number, not {_kind(given)}")
        return number

    return metric


def _guarded(path: Path, what: str, action: Callable[[], Any]) -> Any:
    """Run a user's code; whatever it raises becomes one line with the line of the file."""
    try:
        return action()
    except torch.OutOfMemoryError:
        raise
    except (Exception, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"hook {path}: {what}{_line(path, error)} ({type(error).__name__}: {reason})"
        ) from error


def _line(path: Path, error: BaseException) -> str:
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f" in line {lines[-1]}" if lines else ""


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)} and {value.dtype}"
    return repr(value)[:60]

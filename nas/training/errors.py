"""What can go wrong in training without anybody's mistake."""

import math
from typing import Literal


class TrainingDiverged(Exception):
    """The loss or an answer of the network became infinite or no number.

    where: "epoch 3" (counted from 1) or "evaluation, exit 2" (counted from 0).
    """

    def __init__(self, where: str, kind: Literal["nan", "inf"] = "nan") -> None:
        super().__init__(where, kind)  # the arguments that rebuild it in another process
        self.where, self.kind = where, kind

    def __str__(self) -> str:
        return f"training diverged in {self.where}: not a finite number"


def kind_of(number: float) -> Literal["nan", "inf"]:
    """How a number is not finite."""
    return "nan" if math.isnan(number) else "inf"

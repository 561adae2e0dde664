"""What can go wrong in training without anybody's mistake."""


class TrainingDiverged(Exception):
    """The loss or an answer of the network became infinite or no number.

    where: "epoch 3" (counted from 1) or "evaluation, exit 2" (counted from 0).
    """

    def __init__(self, where: str) -> None:
        super().__init__(where)  # the argument that rebuilds it in another process
        self.where = where

    def __str__(self) -> str:
        return f"training diverged in {self.where}: not a finite number"

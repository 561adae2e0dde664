"""In which order the images of an epoch are taken."""

import torch


def batches_of(count: int, batch_size: int) -> list[tuple[int, int]]:
    """(start, end) of each batch over `count` images.

    A last batch of one image joins the batch before it: batch normalisation has no variance of
    a single value and would stop.
    """
    starts = list(range(0, count, batch_size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))


def shuffled(count: int, batch_size: int, generator: torch.Generator) -> list[torch.Tensor]:
    """The rows of each batch, int64, every row once, in an order drawn by `generator`."""
    order = torch.randperm(count, generator=generator)
    return [order[start:end] for start, end in batches_of(count, batch_size)]

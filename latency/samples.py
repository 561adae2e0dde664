"""Raw samples of a campaign as a parquet file: nothing that was measured is thrown away."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from latency.bench import Batch
from latency.protocol import Samples

CANARY = "canary"


def frame(names: Sequence[str], batch: Batch) -> pd.DataFrame:
    """Return one row per part and timed pass: item, stage, part (from 0), round, repeat, ms.

    ``names``: of the items, in their order. Passes of the canary come last, ``round`` -1.
    """
    tables = [
        _table(name, samples, parts)
        for name, samples, parts in zip(names, batch.taken.samples, batch.taken.parts, strict=True)
    ]
    beats = batch.taken.canary
    zeros = np.zeros(len(beats), np.int32)
    canary = {"stage": zeros, "part": zeros, "round": zeros - 1, "repeat": np.arange(len(beats))}
    tables.append(pd.DataFrame({"item": CANARY, **canary, "ms": beats}))
    whole = pd.concat(tables, ignore_index=True)
    return whole.astype({"item": "category"} | dict.fromkeys(canary, "int32"))


def write(path: Path, names: Sequence[str], batch: Batch) -> None:
    """Write the samples of a campaign."""
    frame(names, batch).to_parquet(path, index=False)


def _table(name: str, samples: Samples, parts: Sequence[int]) -> pd.DataFrame:
    rounds, repeats, count = samples.shape
    stage = np.repeat(np.arange(len(parts)), parts)
    axes = np.meshgrid(np.arange(rounds), np.arange(repeats), np.arange(count), indexing="ij")
    round_, repeat, part = (each.ravel() for each in axes)
    return pd.DataFrame(
        {
            "item": name,
            "stage": stage[part],
            "part": part,
            "round": round_,
            "repeat": repeat,
            "ms": samples.ravel(),
        }
    )

"""Seeds for the parts of a search, all from the one that the user gave."""

import hashlib
import json


def derive(*parts: int | str) -> int:
    """A 32-bit seed from a path of numbers and words, e.g. `derive(seed, number, "rollout")`.

    Hashed, because neighbouring seeds give related streams in some generators; 32 bits, because
    `numpy.random.RandomState`, which Optuna uses, takes no more.
    """
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big")

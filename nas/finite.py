"""JSON has no word for figures that are not finite."""

import math
from collections.abc import Mapping
from typing import Any


def finite(value: Any) -> Any:
    """Return JSON values with null for figures that are not finite."""
    if isinstance(value, Mapping):
        return {str(name): finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

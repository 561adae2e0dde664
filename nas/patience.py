"""When a search has nothing more to give: so many trials in a row without progress."""


class Patience:
    """Counts the trials since the last one that raised the best reward or the hypervolume."""

    def __init__(self, limit: int | None) -> None:
        """limit: None is for ever."""
        self._limit, self.waited = limit, 0

    def told(self, progress: bool) -> None:
        """A trial has ended."""
        self.waited = 0 if progress else self.waited + 1

    @property
    def is_over(self) -> bool:
        """Whether that is long enough."""
        return self._limit is not None and self.waited >= self._limit

"""How long a trial may take, and how long it may do nothing."""

from dataclasses import dataclass, replace

STALL_S = 900.0
"""Seconds without a batch after which a training counts as hanging.

A batch may wait for as long as somebody measures on the same device, which takes minutes.
"""
AWAY_S = 60.0
"""Seconds after which who did not look cannot say that nothing was done, as after a full disk."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of an attempt, in seconds of a monotonic clock.

    changed: when it was given out, or was last seen to do something. started: when its worker was
    first heard of it; before, it may still load torch. beats: batches, as last heard.
    """

    changed: float
    started: float | None = None
    beats: int = -1

    def unwatched(self, now: float) -> "Watched":
        """The same after nobody looked for long: what it did meanwhile is not known."""
        return replace(self, changed=now)

    def heard(self, beats: int, now: float) -> "Watched":
        """The same after its worker said how many batches it has begun."""
        started = now if self.started is None else self.started
        changed = now if beats != self.beats else self.changed
        return replace(self, started=started, beats=beats, changed=changed)


@dataclass(frozen=True, slots=True)
class Limits:
    """trial_s: seconds that an attempt may take; None is for ever. stall_s: without a batch."""

    trial_s: float | None = None
    stall_s: float = STALL_S

    def over(self, watched: Watched, now: float) -> str:
        """Which limit an attempt is beyond, in a line; empty within both."""
        if self.trial_s is not None and watched.started is not None:
            spent = now - watched.started
            if spent > self.trial_s:
                return f"still training after {self.trial_s:g} s"
        if now - watched.changed > self.stall_s:
            return f"no batch in {self.stall_s:g} s"
        return ""

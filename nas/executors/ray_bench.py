"""A bench on another host: its agent is a Ray actor, restarted once where it dies or is silent."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from latency.bench import Batch, DeviceLost, Said, Say, silent
from latency.blocks import BlockKey
from latency.errors import LatencyError
from latency.fingerprint import Fingerprint
from latency.protocol import Protocol
from latency.runtimes.runtime import Piece
from nas.errors import UserError
from nas.executors.ray_session import Session
from nas.faults import one_line
from search_spaces.blocks import BlockGraph

TIMEOUT_S = 600.0
"""Until a device is given up that neither answers a call nor says that it gets on with it."""
_POLL_S = 0.5  # between two looks at whether to go on
_ASK_S = 2.0  # between two questions how far it is, each of which takes a moment from its work
_TURN_S = 5.0  # of one question for the agent's turn

Wait = Callable[[Said | None], None]
"""Told again and again, while an answer is awaited, what the agent says of it, if anything."""


class Gone(Exception):
    """The agent died or did not answer; says which, in words."""


class RayBench:
    """A runtime on the device ``ray:NAME``, or on ``ray:NAME:DEVICE`` for another than its CPU.

    check: called while answers are awaited, to raise where the user wants to stop. Close it.
    """

    def __init__(
        self,
        runtime: str,
        device: str,
        address: str | None,
        check: Callable[[], None] = lambda: None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Join Ray at ``address``; the agent starts when it is needed.

        Raises LatencyError for a device that no node offers, UserError where there is no Ray.
        """
        self.name, self.device = runtime, device
        self._short, self._on = parsed(device)
        self._check, self._timeout_s = check, timeout_s
        self._agent: Any = None
        self._known: tuple[Fingerprint, Protocol] | None = None
        self._session = Session(0, address)
        try:
            refuse_unknown(self._short)
        except BaseException:
            self._session.close()
            raise

    @property
    def protocol(self) -> Protocol:
        return self._introduced()[1]

    def fingerprint(self) -> Fingerprint:
        return dict(self._introduced()[0])

    def blocks(self, graphs: Sequence[BlockGraph], say: Say = silent) -> dict[BlockKey, bool]:
        relay = partial(_relay, say, self.device, 0, len(graphs))
        found: dict[BlockKey, bool] = self._twice(
            lambda: self._answer("blocks", tuple(graphs), wait=relay)
        )
        return found

    def heartbeat(self) -> float:
        """Return the milliseconds that the canary takes there now. Raises LatencyError."""
        found: float = self._twice(lambda: self._answer("heartbeat"))
        return found

    def measure(
        self,
        pieces: Sequence[Piece],
        seed: int,
        protocol: Protocol | None = None,
        say: Say = silent,
    ) -> Batch:
        """Measure pieces in one campaign there.

        Raises LatencyError where it cost two agents their life, DeviceLost where a third one does
        not answer either.
        """
        relay = partial(_relay, say, self.device, 0, len(pieces))
        found: Batch = self._twice(partial(self._measured, tuple(pieces), seed, protocol, relay))
        return found

    def close(self) -> None:
        """End the agent, and the connection to Ray if it was made here."""
        self._drop()
        self._session.close()

    def _introduced(self) -> tuple[Fingerprint, Protocol]:
        if self._known is None:
            self._known = self._twice(
                lambda: (
                    self._answer("fingerprint") | {"device": self.device},
                    self._answer("protocol"),
                )
            )
        return self._known

    def _measured(
        self,
        pieces: tuple[Piece, ...],
        seed: int,
        protocol: Protocol | None,
        relay: Wait,
    ) -> Batch:
        while not self._answer(
            "take_turn", _TURN_S, wait=lambda _: relay(("waiting for a turn", 0, len(pieces)))
        ):
            pass
        found: Batch = self._answer("measure", pieces, seed, protocol, wait=relay)
        return found

    def _twice(self, action: Callable[[], Any]) -> Any:
        """Do what needs the agent, once more on a new one where it is lost. Raises LatencyError."""
        try:
            return action()
        except Gone:
            try:
                return action()
            except Gone as gone:
                # What was asked of it may be all that it cannot do.
                error = LatencyError if self._lives() else DeviceLost
                raise error(f"device {self._short!r}: {gone}") from gone

    def _lives(self) -> bool:
        try:
            self._answer("heartbeat")
        except (Gone, LatencyError):
            return False
        return True

    def _answer(self, method: str, *given: Any, wait: Wait = lambda said: None) -> Any:
        """Return what the agent answers; it is ended where it does not, or is not waited for.

        Raises Gone, and LatencyError for what went wrong there.
        """
        import ray

        try:
            if self._agent is None:
                self._agent = self._started()
            answer = getattr(self._agent, method).remote(*given)
            self._await(answer, wait)
            return ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise _there(self._short, error.cause or error) from error
        except ray.exceptions.RayError as error:
            self._drop()
            raise Gone(f"died in the middle: {one_line(error)}") from error
        except BaseException:
            self._drop()  # it must not go on measuring for nobody
            raise

    def _await(self, answer: Any, wait: Wait) -> None:
        import ray

        heard: Said | None = None
        since = asked = time.monotonic()
        while not ray.wait([answer], timeout=min(_POLL_S, self._timeout_s))[0]:
            self._check()
            now = time.monotonic()
            if now - asked > _ASK_S:
                asked, said = now, self._said()
                if said is not None and said != heard:
                    heard, since = said, now
            wait(heard)
            if now - since > self._timeout_s:
                raise Gone(f"did not answer in {self._timeout_s:g} s")

    def _said(self) -> Said | None:
        """What the agent says of the work that it does; None where it says nothing at once."""
        import ray

        question = self._agent.said.remote()
        if ray.wait([question], timeout=_POLL_S)[0]:
            with suppress(ray.exceptions.RayError):  # the answer itself will tell
                said: Said | None = ray.get(question)
                return said
        return None

    def _started(self) -> Any:
        import ray

        from nas.executors.device_agent import DeviceAgent, place

        try:
            refuse_unknown(self._short)  # whose node may have left since
        except LatencyError:
            raise Gone("its node has left Ray") from None
        options = place(self._short, self._on)
        return (
            ray.remote(DeviceAgent)
            .options(max_concurrency=2, max_restarts=0, **options)
            .remote(self.name, self._on)
        )

    def _drop(self) -> None:
        import ray

        agent, self._agent, self._known = self._agent, None, None
        if agent is not None and ray.is_initialized():
            ray.kill(agent)


def _relay(say: Say, device: str, done: int, of: int, said: Said | None) -> None:
    what, done, of = said or ("measuring", done, of)
    say(f"{what} on {device}", done, of)


def parsed(device: str) -> tuple[str, str]:
    """Return the name of a Ray device and the device there: "ray:box:cuda" gives box and cuda.

    Raises LatencyError where it has no name, or a number of a GPU, which Ray gives out.
    """
    _, _, named = device.partition(":")
    name, _, there = named.partition(":")
    if not name:
        raise LatencyError(f"device {device!r} has no name: write ray:NAME, such as ray:pi5")
    if there.startswith("cuda:"):
        raise LatencyError(f"device {device!r}: Ray chooses among GPUs; write ray:{name}:cuda")
    return name, there or "cpu"


def refuse_unknown(name: str) -> None:
    """Raise LatencyError, listing those that exist, for a device that no living node offers."""
    from nas.executors.ray_devices import offered

    known = [each.name for each in offered()]
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "no node offers any"
        raise LatencyError(f"device {name!r}: no node offers it ({there})")


def _there(name: str, error: BaseException) -> LatencyError:
    said = str(error) if isinstance(error, LatencyError | UserError) else one_line(error)
    return LatencyError(f"device {name!r}: {said}")

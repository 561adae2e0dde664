"""Whether somebody listens where the head of a Ray was."""

import socket

import pytest

from nas.errors import UserError
from nas.executors.ray_head import EVERY_S, GONE_S, Head


def test_silence_counts_from_the_first_look_that_met_it_and_ends_the_search_in_one_line() -> None:
    now = 0.0
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        head = Head(address, lambda: now)
        now = 1000.0
        head.check()
    now += 5000.0  # the machine slept
    head.check()
    now += GONE_S - EVERY_S
    head.check()
    now += EVERY_S - 1
    head.check()  # nobody looks as often
    now += 1
    with pytest.raises(UserError, match=f"^Ray's head at {address} is gone ") as caught:
        head.check()
    assert "\n" not in str(caught.value)
    head = Head(address, lambda: now)
    with pytest.raises(UserError, match="is gone"):
        head.check(0.0)


def test_a_head_that_comes_back_is_heard() -> None:
    now = 0.0
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        head = Head(f"127.0.0.1:{place.getsockname()[1]}", lambda: now)
        now += EVERY_S
        head.check()  # bound, but not listening
        place.listen()
        now += GONE_S
        head.check()
    now += GONE_S
    head.check()  # silence begins anew


def test_what_names_no_port_is_not_looked_at() -> None:
    now = 100.0
    Head("auto", lambda: now).check(0.0)

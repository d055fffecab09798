"""Ids that are made here: version 7, in the order of their making."""

from __future__ import annotations

import time

from notify_app.ids import new_id, new_ids


def test_an_id_is_a_uuidv7_of_this_moment() -> None:
    before, made, after = time.time_ns() // 1_000_000, new_id(), time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before <= made.int >> 80 <= after


def test_ids_that_are_made_together_keep_their_order_also_within_a_millisecond() -> None:
    made = new_ids(10_000)
    assert made == sorted(made)
    assert len(set(made)) == 10_000
    assert all(one.version == 7 for one in made)
    milliseconds = {one.int >> 80 for one in made}
    assert len(milliseconds) < len(made), "so close together that a millisecond does not tell them apart"


def test_two_that_are_made_at_once_are_two() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000

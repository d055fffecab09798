"""Reports in any order, late or twice, end the same; which of them close an address."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.policy.feedback import Block, Heard, after, blocks, heard, stronger
from notify_app.policy.reasons import SENTENCES, Reason

REPORTS = [one for one in Heard if one is not Heard.nothing]
CHANNELS = ("email", "sms", "anything")
STARTS = [("sent", None), ("unknown", "sent_unconfirmed"), ("sent", "collected")]


def end(start: tuple[str, str | None], channel: str, reports: list[Heard]) -> tuple[str, str | None]:
    state, reason = start
    for one in reports:
        shown = after(state, reason, channel, one)
        state, reason = shown.state, shown.reason
    return state, reason


@given(
    start=st.sampled_from(STARTS),
    channel=st.sampled_from(CHANNELS),
    reports=st.lists(st.sampled_from(REPORTS), max_size=5),
)
def test_every_order_ends_the_same(start: tuple[str, str | None], channel: str, reports: list[Heard]) -> None:
    ends = {end(start, channel, list(order)) for order in permutations(reports)}
    assert len(ends) == 1


@given(
    start=st.sampled_from(STARTS),
    channel=st.sampled_from(CHANNELS),
    reports=st.lists(st.sampled_from(REPORTS), min_size=1, max_size=6),
    again=st.lists(st.integers(0, 5), max_size=6),
)
def test_what_is_heard_again_changes_nothing(
    start: tuple[str, str | None], channel: str, reports: list[Heard], again: list[int]
) -> None:
    repeated = [*reports, *(reports[at % len(reports)] for at in again)]
    assert end(start, channel, repeated) == end(start, channel, reports)


@given(
    start=st.sampled_from(STARTS),
    channel=st.sampled_from(CHANNELS),
    reports=st.lists(st.sampled_from(REPORTS), min_size=1),
)
def test_what_proves_most_stands_and_is_read_back(
    start: tuple[str, str | None], channel: str, reports: list[Heard]
) -> None:
    assert heard(*end(start, channel, reports)) == max(reports)


@given(channel=st.sampled_from(CHANNELS), reports=st.lists(st.sampled_from(REPORTS)))
def test_a_message_is_lost_at_most_once_before_it_is_found_again(channel: str, reports: list[Heard]) -> None:
    state, reason, lost = "sent", None, 0
    for one in reports:
        shown = after(state, reason, channel, one)
        state, reason, lost = shown.state, shown.reason, lost + shown.lost
    assert lost <= 2  # once by what may pass, once for good after it was delivered


@pytest.mark.parametrize("state", ["queued", "held", "sending", "skipped", "suppressed"])
@pytest.mark.parametrize("report", REPORTS)
def test_what_was_not_handed_over_is_left_alone(state: str, report: Heard) -> None:
    assert after(state, "burst", "email", report).state == state


@pytest.mark.parametrize(
    ("channel", "report", "state", "reason"),
    [
        ("email", Heard.delivered, "delivered", None),
        ("email", Heard.delayed, "sent", "delayed"),
        ("email", Heard.soft_bounce, "bounced", "soft_bounce"),
        ("email", Heard.hard_bounce, "bounced", "hard_bounce"),
        ("email", Heard.rejected, "failed", "rejected_later"),
        ("email", Heard.complaint, "delivered", "complained"),
        ("sms", Heard.delivered, "delivered", None),
        ("sms", Heard.soft_bounce, "failed", "soft_bounce"),
        ("sms", Heard.hard_bounce, "failed", "hard_bounce"),
        ("sms", Heard.opted_out, "failed", "opted_out"),
    ],
)
def test_what_a_report_makes_of_a_message(
    channel: str, report: Heard, state: str, reason: str | None
) -> None:
    shown = after("sent", None, channel, report)
    assert (shown.state, shown.reason) == (state, reason)
    assert reason is None or SENTENCES[Reason(reason)]


def test_what_closes_an_address() -> None:
    assert blocks(Heard.hard_bounce, 0) is Block.bounce
    assert blocks(Heard.complaint, 0) is Block.complaint
    assert blocks(Heard.opted_out, 0) is Block.opt_out
    assert [blocks(Heard.soft_bounce, n, 3) for n in (1, 2, 3, 4)] == [None, None] + [Block.soft_bounces] * 2
    for harmless in (Heard.delivered, Heard.delayed, Heard.rejected):
        assert blocks(harmless, 99) is None
    assert stronger(Block.opt_out, Block.complaint)
    assert stronger(Block.complaint, Block.bounce)
    assert not stronger(Block.bounce, Block.bounce)

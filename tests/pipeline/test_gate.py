"""Accounts that fail for themselves, and rates that all workers share: real deliveries through the real drain."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from notify_app.channels import ProviderAccount
from notify_app.channels.base import (
    BadSender,
    ChannelFailure,
    Message,
    Misconfigured,
    Throttled,
    TryLater,
    Unsendable,
)
from notify_app.pipeline.deliver import Deliverer
from notify_app.policy.provider import Rate
from tests.hub import Hub
from tests.pipeline.outbox import Provider, fill, states

pytestmark = pytest.mark.proves("A14")
PATIENCE = 60.0


class Moody(Provider):
    """Raises what it is told to, as long as it is told to."""

    def __init__(self, name: str, raises: Exception | None = None) -> None:
        super().__init__(name, before=self._mood)
        self.raises = raises
        self.asked = 0

    def _mood(self, _message: Message) -> None:
        self.asked += 1
        if self.raises:
            raise self.raises


@pytest.fixture
def made() -> Iterator[Any]:
    """Makes deliverers, and closes them."""
    all_of_them: list[Deliverer] = []

    def make(
        email: Sequence[ProviderAccount], sms: Provider | None = None, *, office_share: float = 1.0
    ) -> Deliverer:
        channels: dict[str, Any] = {"email": email, "sms": sms or Provider("sms")}
        lease, rng = timedelta(seconds=30), random.Random(1)
        all_of_them.append(Deliverer(channels, threads=4, lease=lease, rng=rng, office_share=office_share))
        return all_of_them[-1]

    yield make
    for one in all_of_them:
        one.close()


def drain(hub: Hub, deliverer: Deliverer, queue: str = "bulk") -> int:
    with hub.world.app.app_context():
        return deliverer.drain(queue, PATIENCE)


def standing(hub: Hub, name: str) -> Any:
    return hub.build.one("SELECT * FROM provider_account WHERE name = :name", name=name)


def again(hub: Hub) -> None:
    """What waits is due, and the pause is over."""
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    hub.build.run("UPDATE provider_account SET paused_until = hub_now() - interval '1 second'")


def test_the_second_account_takes_over_when_the_first_fails_and_the_record_says_which(
    hub: Hub, made: Any
) -> None:
    first, second = Moody("email", TryLater("no answer", "timeout")), Provider("email")
    deliverer = made([ProviderAccount("smtp:a", first), ProviderAccount("smtp:b", second)])
    fill(hub, 40)
    drain(hub, deliverer)
    assert sum(second.taken.values()) >= 30, "the pool of four was in doubt, and no more"
    assert 5 <= first.asked <= 10
    row = standing(hub, "smtp:a")
    assert (row.error, row.pauses, row.paused_until is not None) == ("timeout", 1, True)
    rows = hub.build.all("SELECT account, outcome, count(*) AS n FROM attempt GROUP BY 1, 2 ORDER BY 1, 2")
    assert {(one.account, one.outcome) for one in rows} == {("smtp:a", "transient"), ("smtp:b", "accepted")}
    again(hub)
    first.raises = None
    asked = first.asked
    drain(hub, made([ProviderAccount("smtp:a", first), ProviderAccount("smtp:b", second)]))
    assert states(hub) == {"sent": 40}
    assert first.asked > asked, "it was tried again when its pause was over"


def test_while_its_only_account_is_paused_messages_wait_and_no_attempt_is_burnt(hub: Hub, made: Any) -> None:
    only = Moody("email", Misconfigured("no such user", "535"))
    deliverer = made([ProviderAccount("smtp", only)])
    fill(hub, 50)
    drain(hub, deliverer)
    assert only.asked <= 8
    waiting = hub.build.all("SELECT reason, attempts, next_attempt_at > hub_now() AS later FROM delivery")
    assert {one.later for one in waiting} == {True}
    asked = [one for one in waiting if one.attempts]
    assert len(asked) == only.asked
    assert {one.reason for one in waiting if not one.attempts} == {"provider_down"}
    again(hub)
    only.raises = None
    deliverer = made([ProviderAccount("smtp", only)])
    drain(hub, deliverer)
    # the probe has ended the pause: what stood behind it waits a second, and leaves
    assert standing(hub, "smtp").paused_until is None
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    drain(hub, deliverer)
    assert states(hub) == {"sent": 50}


def test_after_the_pause_one_message_tries_and_the_others_wait(hub: Hub, made: Any) -> None:
    only = Moody("email", TryLater("down", "down"))
    deliverer = made([ProviderAccount("smtp", only)])
    fill(hub, 30)
    drain(hub, deliverer)
    first = standing(hub, "smtp")
    asked = only.asked
    again(hub)
    drain(hub, made([ProviderAccount("smtp", only)]))
    assert only.asked == asked + 1
    now = standing(hub, "smtp")
    assert (first.pauses, now.pauses) == (1, 2)


def test_an_urgent_message_goes_another_way_besides_while_its_provider_is_down(hub: Hub, made: Any) -> None:
    hub.build.run(
        "INSERT INTO provider_account (channel, name, pauses, paused_until) "
        "VALUES ('email', 'smtp', 1, hub_now() + interval '5 minutes')"
    )
    email, sms = Provider("email"), Provider("sms")
    deliverer = made([ProviderAccount("smtp", email)], sms)
    (id_,) = fill(hub, 1, priority=1)
    hub.build.run(
        "INSERT INTO address (organisation_id, person_id, channel, value) "
        "SELECT organisation_id, person_id, 'sms', '+12025550171' FROM delivery WHERE id = :id",
        id=id_,
    )
    drain(hub, deliverer, "urgent")
    drain(hub, deliverer, "urgent")  # what the first one has put there wakes a second
    rows = hub.build.all("SELECT channel, state, reason FROM delivery ORDER BY channel")
    assert [(row.channel, row.state) for row in rows] == [("email", "queued"), ("sms", "sent")]
    assert rows[0].reason == "provider_down"
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    drain(hub, deliverer, "urgent")
    assert sum(sms.taken.values()) == 1, "once, however long it lasts"


def test_two_workers_together_never_send_faster_than_the_rate(hub: Hub, made: Any) -> None:
    rate = Rate(20.0, 20)
    providers = [Provider("email"), Provider("email")]
    workers = [made([ProviderAccount("smtp", one, rate)]) for one in providers]
    fill(hub, 200)
    began = time.monotonic()
    for _ in range(3):
        for worker in workers:
            drain(hub, worker)
        hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    lasted = time.monotonic() - began
    sent = sum(sum(one.taken.values()) for one in providers)
    assert 16 <= sent <= 20 + 20 * lasted
    reasons = hub.build.all("SELECT DISTINCT reason, attempts FROM delivery WHERE state = 'queued'")
    assert [(one.reason, one.attempts) for one in reasons] == [("provider_pace", 0)]


def test_a_long_line_is_spread_over_its_time(hub: Hub, made: Any) -> None:
    deliverer = made([ProviderAccount("smtp", Provider("email"), Rate(0.1, 10))])
    fill(hub, 110)
    drain(hub, deliverer)
    row = hub.build.one(
        "SELECT max(next_attempt_at) - hub_now() AS last, count(*) AS n FROM delivery WHERE state = 'queued'"
    )
    assert row.n == 102, "a fifth of the places is spared"
    assert timedelta(seconds=960) < row.last <= timedelta(seconds=1020)


def test_a_broadcast_leaves_places_to_what_is_urgent(hub: Hub, made: Any) -> None:
    email = Provider("email")
    deliverer = made([ProviderAccount("smtp", email, Rate(0.05, 10))])
    fill(hub, 30)
    drain(hub, deliverer)
    bulk = sum(email.taken.values())
    assert bulk == 8
    fill(hub, 2, priority=1)
    drain(hub, deliverer, "urgent")
    assert sum(email.taken.values()) == 10


def test_what_a_provider_only_slows_down_is_not_paused(hub: Hub, made: Any) -> None:
    only = Moody("email", Throttled("too fast", "454"))
    deliverer = made([ProviderAccount("smtp", only)])
    fill(hub, 20)
    drain(hub, deliverer)
    assert only.asked == 20
    assert hub.build.all("SELECT * FROM provider_account") == []


@pytest.mark.parametrize("failure", [BadSender("not yours", "553"), Unsendable("no address", "bad_address")])
def test_what_is_wrong_with_a_message_says_nothing_of_its_account(
    hub: Hub, made: Any, failure: ChannelFailure
) -> None:
    fill(hub, 20)
    drain(hub, made([ProviderAccount("smtp", Moody("email", failure))]))
    assert hub.build.all("SELECT * FROM provider_account") == []


def test_a_sender_that_one_account_does_not_take_is_tried_by_the_next(hub: Hub, made: Any) -> None:
    refuses, takes = Moody("email", BadSender("not verified", "MessageRejected")), Provider("email")
    deliverer = made([ProviderAccount("ses:a", refuses), ProviderAccount("ses:b", takes)])
    fill(hub, 3)
    drain(hub, deliverer)
    assert (refuses.asked, sum(takes.taken.values())) == (3, 0)
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    drain(hub, deliverer)
    assert (refuses.asked, sum(takes.taken.values())) == (3, 3)


def test_a_message_that_tells_nothing_of_an_account_leaves_it_to_the_next_to_try_it(
    hub: Hub, made: Any
) -> None:
    fill(hub, 5)
    drain(hub, made([ProviderAccount("smtp", Moody("email", Misconfigured("held", "535")))]))
    assert standing(hub, "smtp").paused_until
    hub.build.run("UPDATE provider_account SET paused_until = hub_now()")
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    drain(hub, made([ProviderAccount("smtp", Moody("email", Unsendable("no address", "bad_address")))]))
    row = standing(hub, "smtp")
    assert row.paused_until and row.probe_until is None
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    other = Provider("email")
    drain(hub, made([ProviderAccount("smtp", other)]))
    assert sum(other.taken.values()) >= 1 and standing(hub, "smtp").paused_until is None


# --- asked too often, and shared among offices -----------------------------------------------------------------------


def test_the_rate_of_a_provider_that_is_asked_too_often_is_halved_for_all_workers(
    hub: Hub, made: Any
) -> None:
    rate = Rate(0.04, 40)  # so slow that the bucket does not fill while the test runs
    first = Moody("email", Throttled("too fast", "454"))
    fill(hub, 4)
    drain(hub, made([ProviderAccount("ses", first, rate)]))
    row = standing(hub, "ses")
    assert (row.slowed_to, row.paused_until) == (0.5, None)
    # another worker, with the bucket full: of twenty places a fifth is spared for what is urgent
    hub.build.run("UPDATE provider_account SET places = NULL")
    other = Provider("email")
    hub.build.run("DELETE FROM delivery_item")
    hub.build.run("DELETE FROM attempt")
    hub.build.run("DELETE FROM delivery")
    fill(hub, 60)
    drain(hub, made([ProviderAccount("ses", other, rate)]))
    assert sum(other.taken.values()) == 16
    # five minutes later all of it is back
    hub.build.run("UPDATE provider_account SET slowed_at = hub_now() - interval '5 minutes', places = NULL")
    hub.build.run("UPDATE delivery SET next_attempt_at = hub_now() WHERE state = 'queued'")
    drain(hub, made([ProviderAccount("ses", other, rate)]))
    assert sum(other.taken.values()) == 16 + 32


def test_one_offices_many_leave_places_to_anothers_few(hub: Hub, made: Any) -> None:
    other = hub.another("elsewhere")
    # so slow that the bucket does not fill while the test runs; half of it is the share of each
    deliverer = made([ProviderAccount("ses", Provider("email"), Rate(0.05, 20))], office_share=0.5)
    fill(other, 1)
    drain(hub, deliverer)
    fill(hub, 60)
    hub.build.run(
        "UPDATE delivery SET next_attempt_at = hub_now() - interval '1 hour' WHERE state = 'queued'"
    )
    fill(other, 5)
    drain(hub, deliverer)
    assert sent_by_office(hub) == {hub.organisation.id: 10, other.organisation.id: 6}


def test_an_office_that_is_alone_has_all_of_the_rate_and_urgent_ones_ask_no_share(
    hub: Hub, made: Any
) -> None:
    deliverer = made([ProviderAccount("ses", Provider("email"), Rate(0.05, 20))], office_share=0.25)
    fill(hub, 30)
    drain(hub, deliverer)
    assert sent_by_office(hub) == {hub.organisation.id: 16}, "all but the fifth for what is urgent"
    fill(hub.another("elsewhere"), 1)
    drain(hub, deliverer)
    fill(hub, 4, priority=1)
    drain(hub, deliverer, "urgent")
    assert sent_by_office(hub) == {hub.organisation.id: 20}
    shares = hub.build.all("SELECT office FROM provider_share")
    assert hub.organisation.id not in {row.office for row in shares}


def sent_by_office(hub: Hub) -> dict[Any, int]:
    rows = hub.build.all(
        "SELECT organisation_id, count(*) AS n FROM delivery WHERE state = 'sent' GROUP BY 1"
    )
    return {row.organisation_id: row.n for row in rows}

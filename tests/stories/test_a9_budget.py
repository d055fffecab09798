"""A9, A14: what SMS may cost an office: a warning at 80 %, an end for what is not urgent, a reserve for what is, and no
overshoot however many send at once."""

from __future__ import annotations

import json
import random
import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from notify_app.pipeline import budget
from notify_app.pipeline.deliver import Deliverer
from notify_app.pipeline.step import step
from notify_app.policy.budget import Budget
from notify_app.work import record, spending, why
from tests.channels.stubs import Sms
from tests.pipeline.outbox import Provider, fill

pytestmark = pytest.mark.proves("A9", "A14")

ADA_MAIL, BOSS = "ada@example.com", "Ada Quist"
GERMAN = "+4915112345{:03d}"  # $0.095 each
PRICE = Decimal("0.095")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def shop(hub):
    """Ada administers; ten technicians have German numbers and nothing else. Nobody is held back by a limit of their own."""
    free = {"burst_seconds": 0, "sms_an_hour": 0, "sms_a_day": 0}
    hub.build.run(
        "UPDATE organisation SET settings = CAST(:settings AS jsonb), zone = 'Europe/Berlin' WHERE id = :id",
        settings=json.dumps(free),
        id=hub.organisation.id,
    )
    hub.person("ada", "administrator", name=BOSS, email=ADA_MAIL)
    for number in range(10):
        hub.person(f"tech{number}", name=f"Tech {number}", sms=GERMAN.format(number))
    hub.at("2026-06-10T09:00", "Europe/Berlin")
    return hub


def allow(shop, month="1.00", day="", reserve="15"):
    """The administrator sets it on the page."""
    form = {"month": month, "day": day, "reserve": reserve}
    page = shop.browser("ada").submit("/spend", "/spend/budget", follow=False, **form)
    assert page.status == 303, page.text
    shop.settle()


def tell(shop, *keys, says="The van is ready"):
    """A message of high priority, by SMS, to each of these."""
    for key in keys:
        words = {"headline": says, "known": []}
        data = {"template": "general", "recipients": [{"id": key}], "context": words, "priority": "high"}
        assert shop.post("notification.send", data).status_code == 202


def jobs(shop, count, first=0):
    """So many messages, each for a technician of their own."""
    tell(shop, *(f"tech{number % 10}" for number in range(first, first + count)))


def texts(shop) -> list[Sms]:
    """The SMS that have left, none of which the story speaks of one by one."""
    found = shop.world.texts()
    shop.world.seen |= {key for key, _ in found}
    shop.world.seen |= {row.id for row in shop.world.lines() if row.name == "general"}
    return [one for _, one in found]


def spent(shop) -> Decimal:
    return shop.build.one("SELECT coalesce(sum(cost_usd), 0) AS cost FROM sms_spent").cost


def test_at_eighty_percent_the_administrators_hear_once_and_at_the_end_once_more(shop):
    allow(shop)
    jobs(shop, 7)
    shop.world.sweep("warn")
    shop.mail(ADA_MAIL).nothing()
    jobs(shop, 1, first=7)  # $0.76 of the $0.85 that is not kept for what is urgent
    shop.world.sweep("warn")
    mail = shop.mail(ADA_MAIL).says("80 % of the budget for SMS is spent", "$0.76 of the $1", "$0.85")
    assert "/spend" in mail.text
    shop.inbox("ada").has("sms_budget", "$0.76 of $1.00 spent this month")
    shop.world.sweep("warn")
    shop.mail(ADA_MAIL).nothing()
    jobs(shop, 2, first=8)
    assert len(texts(shop)) == 8
    shop.world.sweep("warn")
    shop.mail(ADA_MAIL).says("is used up", "$0.15 is kept for them")
    shop.inbox("ada").has("sms_budget", "Only urgent SMS still leave")
    shop.world.sweep("warn")
    assert spent(shop) == 8 * PRICE
    shop.silence()


def test_what_finds_no_money_takes_the_next_channel_and_says_why(shop):
    allow(shop, month="0.05")
    shop.person("nina", name="Nina Vale", sms="+4915199999999", email="nina@example.com")
    tell(shop, "nina")
    shop.mail("nina@example.com").says("The van is ready")
    shop.inbox("nina").has("general")
    row = shop.delivery("nina", "sms")
    assert (row.state, row.reason) == ("suppressed", "budget")
    (event,) = shop.events("general")
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        said = "\n".join(why.plain(work, event.id, shop.people["nina"].id))
    assert "budget for SMS is used up but for what is urgent" in said
    line = shop.build.one("SELECT id FROM notification WHERE person_id = :id", id=shop.people["nina"].id)
    assert "budget for SMS is used up" in shop.browser("ada").get(f"/inbox/{line.id}").html
    assert texts(shop) == []
    shop.silence()


def test_what_has_no_other_way_waits_for_money_and_goes_on_when_the_budget_is_raised(shop):
    allow(shop, month="0.10", reserve="0")
    jobs(shop, 3)
    assert len(texts(shop)) == 1
    waiting = [row for key in ("tech1", "tech2") for row in shop.deliveries(key, "sms")]
    assert {(row.state, row.reason, row.attempts) for row in waiting} == {("queued", "budget", 0)}
    shop.wait(25 * MINUTE)
    assert len(texts(shop)) == 1
    shop.mail(ADA_MAIL).says("is used up")
    shop.inbox("ada").has("sms_budget")
    allow(shop, month="5")
    assert len(texts(shop)) == 3
    assert {shop.delivery(key, "sms").state for key in ("tech1", "tech2")} == {"sent"}
    shop.silence()


def test_what_waits_in_vain_ends_with_its_reason_and_the_office_hears_whom_it_did_not_reach(shop):
    allow(shop, month="0.05")
    jobs(shop, 1)
    shop.wait(2 * HOUR)
    row = shop.delivery("tech0", "sms")
    assert (row.state, row.reason) == ("suppressed", "budget")
    shop.mail(ADA_MAIL).says("is used up")
    shop.mail(ADA_MAIL).says("Tech 0", "budget for SMS")
    shop.inbox("ada").has("sms_budget")
    shop.inbox("ada").has("not_reached", "Tech 0")
    assert texts(shop) == []
    shop.silence()


def test_the_reserve_is_for_what_is_urgent_and_beyond_it_that_goes_all_the_same(shop):
    allow(shop, month="0.30", reserve="50")  # one ordinary SMS; the second finds nothing
    jobs(shop, 2)
    assert len(texts(shop)) == 1
    who = [{"id": f"tech{number}"} for number in range(4)]
    shop.post("emergency.raised", {"alert_message": "Fire", "location": "Hall 2", "recipients": who})
    shop.settle()
    assert len(texts(shop)) == 5, "four alarms: the reserve pays for two, and nobody counts them then"
    assert spent(shop) == 5 * PRICE
    shop.world.sweep("warn")
    shop.mail(ADA_MAIL).says("and its reserve are used up", "more is spent than was planned")
    shop.forget()


def test_a_day_has_its_own_amount_and_the_next_day_begins_anew(shop):
    allow(shop, month="10", day="0.20", reserve="0")
    jobs(shop, 3)
    assert len(texts(shop)) == 2
    shop.forget()
    shop.at("2026-06-11T00:05", "Europe/Berlin")
    jobs(shop, 1, first=5)
    assert len(texts(shop)) == 3
    shop.forget()


def test_the_month_turns_on_the_organisations_own_clock(shop):
    allow(shop, month="0.10", reserve="0")
    shop.at("2026-06-30T23:50", "Europe/Berlin")
    jobs(shop, 2)
    assert len(texts(shop)) == 1
    # in Berlin it is July, in UTC still June; what waited goes on by itself
    shop.wait(15 * MINUTE)
    assert len(texts(shop)) == 2
    days = shop.build.all("SELECT day, messages FROM sms_spent ORDER BY day")
    assert [(str(row.day), row.messages) for row in days] == [("2026-06-30", 1), ("2026-07-01", 1)]
    shop.forget()


def test_what_is_in_doubt_is_spent_and_what_is_refused_is_not(shop):
    allow(shop)
    shop.world.aws.fail(GERMAN.format(0), "reset:accepted", times=1)
    jobs(shop, 1)
    assert spent(shop) == PRICE
    row = shop.delivery("tech0", "sms")
    assert (row.state, row.cost_usd, row.segments) == ("unknown", PRICE, 1)
    shop.world.aws.fail(GERMAN.format(1), "InvalidParameter", times=1)
    jobs(shop, 1, first=1)
    assert spent(shop) == PRICE
    assert shop.build.one("SELECT coalesce(sum(cost_usd), 0) AS held FROM sms_hold").held == 0
    shop.forget()


def test_a_worker_that_died_has_spent_what_it_may_have_sent(shop):
    allow(shop)
    jobs(shop, 1)
    shop.forget()
    shop.build.run("DELETE FROM sms_spent")
    # as a worker leaves it that is killed between sending and settling
    shop.build.run(
        "UPDATE delivery SET state = 'sending', token = uuidv7(), lease_until = clock_timestamp() - interval '1 second', "
        "claimed_at = hub_now(), provider = 'sns', attempts = 2, settled_at = NULL WHERE channel = 'sms'"
    )
    shop.build.run(
        "INSERT INTO sms_hold (organisation_id, token, cost_usd) SELECT organisation_id, token, 0.095 FROM delivery "
        "WHERE state = 'sending'"
    )
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        assert budget.standing(work).held == PRICE
    shop.world.sweep("rescue")
    row = shop.build.one("SELECT country, event, messages, cost_usd FROM sms_spent")
    assert tuple(row) == ("DE", "general", 1, PRICE)
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        assert budget.standing(work).held == 0, "spent, and not held besides"


@pytest.mark.parametrize("kept", [True, False], ids=["written before", "written now"])
def test_workers_that_send_at_once_never_spend_more_than_there_is(hub, kept):
    """Two hundred SMS, four workers, money for exactly twenty: a bound of nothing."""
    fill(hub, 200, kept=kept)
    hub.build.run("UPDATE delivery SET channel = 'sms', address = '+4915112345678'")
    hub.build.run("UPDATE address SET channel = 'sms', value = '+4915112345678'")
    hub.build.run(
        "UPDATE organisation SET settings = CAST(:settings AS jsonb)",
        settings=json.dumps({"burst_seconds": 0, "sms_an_hour": 0, "sms_a_day": 0}),
    )
    with hub.world.app.app_context(), step(hub.organisation.id) as work:
        spending.set_budget(work, Budget(20 * PRICE, None, 0), record.COMMAND)
    providers = [Priced() for _ in range(4)]
    lease = timedelta(seconds=30)
    workers = [
        Deliverer({"email": Provider("email"), "sms": one}, threads=4, lease=lease, rng=random.Random(seed))
        for seed, one in enumerate(providers)
    ]

    def drain(worker):
        with hub.world.app.app_context():
            worker.drain("bulk", 60.0)

    threads = [threading.Thread(target=drain, args=(one,)) for one in workers]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in workers:
        one.close()
    assert sum(sum(one.taken.values()) for one in providers) == 20
    assert sum(bool(one.taken) for one in providers) > 1, "more than one of them had a part in it"
    assert spent(hub) == 20 * PRICE
    assert hub.build.one("SELECT coalesce(sum(cost_usd), 0) AS held FROM sms_hold").held == 0
    hub.forget()


class Priced(Provider):
    """Takes a moment, and says what it has cost."""

    def __init__(self) -> None:
        super().__init__("sms")
        self._alone = threading.Event()

    def send(self, message):
        from dataclasses import replace

        from notify_app.policy import sms

        self._alone.wait(0.01)
        cost = sms.prices().cost(message.text, message.address)
        return replace(super().send(message), segments=1, cost_usd=cost)


def test_an_office_without_a_budget_is_asked_nothing_and_its_spending_is_known(shop):
    jobs(shop, 2)
    assert len(texts(shop)) == 2
    assert spent(shop) == 2 * PRICE
    assert shop.build.all("SELECT * FROM sms_hold") == []

"""Many webhooks in one transaction: as if each had been taken alone, for all that anybody can see."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from notify_app.pipeline import take
from tests.stories.conftest import DANA_PHONE, MARCO_PHONE

POISON = "R-13"


def report(shop: Any, number: str, **facts: Any) -> Any:
    """Accepted, and not yet taken."""
    return shop.post("repair.upsert", {"id": number, **facts}, settle=False)


@pytest.fixture
def poisoned(shop: Any) -> Iterator[Any]:
    """A database that cannot store one repair; `shop` until the block ends."""
    shop.build.run(
        "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.number = '{POISON}' THEN RAISE EXCEPTION 'this one cannot be stored'; END IF; RETURN NEW; END $$"
    )
    shop.build.run(
        "CREATE TRIGGER refuse_poison BEFORE INSERT ON work_item FOR EACH ROW EXECUTE FUNCTION refuse_poison()"
    )
    yield shop
    shop.build.run("DROP FUNCTION refuse_poison() CASCADE")


@pytest.mark.proves("A6", "F1")
def test_what_is_independent_is_taken_together(shop):
    answers = [report(shop, f"R-{n}", status="approved", technician={"id": "marco"}) for n in range(30)]
    shop.settle()
    assert {shop.inbound(one).state for one in answers} == {"applied"}
    # a row carries the transaction that wrote it
    transactions = shop.build.one("SELECT count(DISTINCT xmin::text) AS n, count(*) AS events FROM event")
    assert transactions.events == 60, "approved and assigned, each once"
    assert transactions.n == 1
    assert len({row.seq for row in shop.world.lines()}) == 60, "each line has a number of its own"
    shop.forget()


@pytest.mark.proves("A6", "F1")
def test_reports_of_one_item_keep_their_order_whatever_else_is_taken(shop):
    for status in ("pending", "approved", "in_progress", "completed"):
        for number in ("R-1", "R-2"):
            report(shop, number, status=status, customer={"id": "dana"})
    shop.settle()
    told = [
        row.name
        for row in shop.events()
        if row.name != "not_reached" and row.payload["item"]["number"] == "R-1"
    ]
    assert told == ["repair_pending_approval", "repair_approved", "repair_in_progress", "repair_completed"]
    shop.forget()


@pytest.mark.proves("A6", "F1")
def test_a_refused_report_leaves_nothing_and_its_neighbours_do_not_notice(shop):
    shop.repair("R-1", customer="dana", technician="marco").completed()
    shop.forget()
    refused = report(
        shop, "R-1", status="denied", reason="Too late.", customer={"id": "dana", "phone": "+12015550999"}
    )
    fine = report(shop, "R-2", status="pending", customer={"id": "dana"})
    shop.settle()
    assert shop.inbound(refused).state == "refused"
    assert "it cannot become denied" in shop.inbound(refused).error
    assert shop.inbound(fine).state == "applied"
    assert shop.repair("R-1").row.status == "completed"
    assert not shop.build.all("SELECT 1 FROM address WHERE value = '+12015550999'")
    shop.sms(DANA_PHONE).says("R-2")
    shop.silence()


@pytest.mark.proves("A6", "F1")
def test_what_the_database_refuses_waits_alone(poisoned):
    shop = poisoned
    shop.expects_errors()
    before = [report(shop, f"R-{n}", status="approved", technician={"id": "marco"}) for n in (11, 12)]
    bad = report(shop, POISON, status="approved", technician={"id": "marco"})
    after = report(shop, "R-14", status="approved", technician={"id": "marco"})
    shop.world.settle()  # the bad one may be due again by the time that the others are done
    assert {shop.inbound(one).state for one in (*before, after)} == {"applied"}
    row = shop.inbound(bad)
    assert row.state == "accepted"
    assert row.attempts >= 1
    assert "cannot be stored" in row.error
    assert row.next_attempt_at > row.received_at, "put off, and tried again later"
    approvals = [one.payload["item"]["number"] for one in shop.events("repair_approved")]
    assert sorted(approvals) == ["R-11", "R-12", "R-14"], "once each, though the first try was for all"
    shop.forget()


@pytest.mark.proves("A6", "F1")
def test_two_workers_that_meet_a_stranger_at_once_make_one_person(shop):
    stranger = {"id": "C-77", "name": "Nora Bianchi", "phone": "+12015550177"}
    answers = [report(shop, f"R-{n}", status="pending", customer=stranger) for n in range(8)]
    ids = [shop.inbound(one).id for one in answers]
    begin = threading.Barrier(4)

    def one(mine: list[Any]) -> None:
        with shop.world.app.app_context():
            begin.wait(10)
            take.take(shop.organisation.id, mine)

    workers = [threading.Thread(target=one, args=(ids[at::4],)) for at in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    shop.settle()
    assert {shop.inbound(one).state for one in answers} == {"applied"}
    assert len(shop.build.all("SELECT 1 FROM person WHERE external_id = 'C-77'")) == 1
    assert len(shop.build.all("SELECT 1 FROM work_item")) == 8
    shop.forget()


@pytest.mark.proves("A1")
def test_who_is_told_the_same_shares_an_event_and_each_hears_it_once(shop):
    answer = shop.post(
        "notification.send",
        {
            "template": "general",
            "priority": "high",
            "context": {"headline": "The lift is out of order.", "known": []},
            "recipients": [
                {"id": "marco"},
                {"id": "priya"},
                {"id": "nobody-here"},
                {"id": "olga", "context": {"headline": "The lift is out, please call the firm."}},
            ],
        },
    )
    assert "recipients[2]: nobody-here is not known" in shop.inbound(answer).error
    assert [len(row.payload["known"]) for row in shop.events("general")] == [0, 0]
    shop.inbox("marco").has("general", "lift is out of order")
    shop.inbox("priya").has("general", "lift is out of order")
    shop.inbox("olga").has("general", "call the firm")
    shop.forget()


@pytest.mark.proves("A6")
def test_an_item_that_its_source_reports_again_is_no_news_but_known_later(shop):
    repair = shop.repair("R-1", customer="dana", technician="marco").approved()
    before = repair.row
    shop.forget()
    shop.world.move(timedelta(minutes=5))
    repair.saved()
    assert repair.row.known_at > before.known_at
    assert (repair.row.version, repair.row.updated_at) == (before.version, before.updated_at)
    shop.silence()


@pytest.mark.proves("A6", "C5")
def test_two_offices_reports_are_taken_in_one_round_and_stay_apart(shop):
    other = shop.another("northside")
    mine = report(shop, "R-1", status="approved", technician={"id": "marco", "phone": MARCO_PHONE})
    theirs = report(other, "R-1", status="pending", customer={"id": "zed", "name": "Zed"})
    shop.settle()
    assert shop.inbound(mine).state == "applied"
    assert other.inbound(theirs).state == "applied"
    assert {row.organisation_id for row in shop.events("repair_approved")} == {shop.organisation.id}
    assert not other.events("repair_approved")
    shop.forget()

"""What a hostile reader of the path asked for: bombs, order, second thoughts, and nobody in anybody's way."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from notify_app.channels.base import Message, Receipt
from notify_app.errors import Invalid
from notify_app.live.queued import QueuedStream
from notify_app.live.stream import Stream, heartbeat, reader_of
from notify_app.pipeline import strict_json, take
from notify_app.pipeline.deliver import Deliverer
from notify_app.policy import sms
from tests.stories.conftest import DANA_PHONE, MARCO_MAIL, PRIYA_MAIL


@pytest.mark.proves("A9")
def test_a_text_of_any_length_becomes_one_segment() -> None:
    link = "https://hub.example.com/l/abc"
    text = sms.fit("word " * 50_000 + link)
    assert sms.segments(text).count == 1
    assert text.endswith(link)


@pytest.mark.proves("F1")
def test_a_string_that_never_ends_is_refused_at_once() -> None:
    with pytest.raises(Invalid, match="cannot be used"):
        strict_json.read(b'{"a":"' + b'\\"' * 120_000)


@pytest.mark.proves("A6")
def test_what_happened_after_a_batch_is_not_older_than_it(shop):
    shop.repair("R-1", customer="dana", technician="marco").pending()
    first, later = shop.now() + timedelta(seconds=1), shop.now() + timedelta(seconds=6)
    shop.world.move(timedelta(seconds=30))
    decided = {"batch_id": "B-1", "decision": "approved", "items": [{"id": "R-1"}]}
    shop.post("repair.batch", decided, at=first)
    answer = shop.post("repair.upsert", {"id": "R-1", "status": "in_progress"}, at=later)
    assert shop.inbound(answer).state == "applied"
    late = shop.post("repair.batch", decided | {"batch_id": "B-0", "decision": "denied"}, at=first)
    assert "this is older" in shop.inbound(late).error
    shop.forget()


@pytest.mark.proves("A6", "F1")
def test_what_waits_for_one_item_is_in_nobody_elses_way(shop, monkeypatch):
    monkeypatch.setattr(take, "LOOK", 2)
    shop.post("repair.upsert", {"id": "R-1", "customer": {"id": "dana"}}, settle=False)
    for number in range(3):
        shop.post("repair.upsert", {"id": "R-1", "location": f"bay {number}"}, settle=False)
    shop.build.run(
        "UPDATE inbound SET next_attempt_at = hub_now() + interval '1 hour' WHERE body -> 'data' ? 'customer'"
    )
    answer = shop.post("repair.upsert", {"id": "R-2", "customer": {"id": "dana"}})
    assert shop.inbound(answer).state == "applied"
    shop.jump(timedelta(hours=2))
    shop.world.sweep()
    assert {row.state for row in shop.build.all("SELECT state FROM inbound")} == {"applied"}
    shop.forget()


@pytest.mark.proves("A7", "A10")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE person SET left_at = hub_now() WHERE id = :person", "person_left"),
        ("DELETE FROM address WHERE person_id = :person AND channel = 'sms'", "no_address"),
        (
            (
                "INSERT INTO preference_choice SELECT organisation_id, id, 'category:assignment', 'sms', false "
                "FROM person WHERE id = :person"
            ),
            "preference_category",
        ),
    ],
)
def test_a_message_that_waits_is_decided_again_before_it_leaves(shop, change, reason):
    shop.person("gus", sms="+12025550109", zone="UTC")
    shop.build.quiet(shop.people["gus"], "22:00", "07:00")
    shop.at("2027-02-10 22:30")
    shop.repair("R-1", technician="gus").saved(status="in_progress")
    assert shop.delivery_of("gus", "sms", "repair_assigned").state == "held"
    shop.build.run(change, person=shop.people["gus"].id)
    shop.wait(timedelta(hours=9))
    settled = shop.delivery_of("gus", "sms", "repair_assigned")
    assert (settled.state, settled.reason) == ("skipped", reason)
    shop.sms("+12025550109").nothing()
    shop.forget()


@pytest.mark.proves("A1")
def test_a_number_that_its_source_sets_back_is_the_one_that_is_used(shop):
    for phone in ("+12025550107", "+12025550108", "+12025550107"):
        shop.post(
            "repair.upsert",
            {"id": "R-1", "status": "pending", "customer": {"id": "eve", "name": "Eve", "phone": phone}},
        )
    shop.forget()
    shop.post("repair.upsert", {"id": "R-1", "status": "completed"})
    shop.sms("+12025550107").says("R-1")
    shop.forget()


@pytest.mark.proves("A17")
def test_a_private_link_answers_once_and_only_to_whose_item_it_is(shop):
    shop.repair("R-1", customer="dana").pending()
    path = "/l/" + shop.sms(DANA_PHONE).says("R-1").text.split("/l/")[1].split()[0]
    visitor = shop.stranger()
    assert visitor.submit(path, path, answer="deny", reason="Not now.").status == 200
    olga, item = shop.browser("olga"), shop.repair("R-1").item_id
    olga.submit(f"/work/{item}", f"/work/{item}/reopen")
    assert not visitor.get(path).offers(path), "the old link does not answer twice"
    shop.post(
        "repair.upsert", {"id": "R-1", "customer": {"id": "eve", "name": "Eve"}, "location": "7 Secret Lane"}
    )
    moved = visitor.get(path)
    assert "Secret Lane" not in moved.html
    assert moved.status in (404, 410)
    shop.forget()


@pytest.mark.proves("F1")
def test_a_nul_in_a_form_is_a_bad_request_and_no_fault_of_ours(shop):
    visitor = shop.stranger()
    token = visitor.get("/sign-in").form("/sign-in").fields["csrf_token"]
    answer = visitor.post("/sign-in", csrf_token=token, email="a\x00b@example.com", password="x")
    assert answer.status == 400
    assert visitor.get("/sign-in?next=%00").status == 400


class _Channel:
    """A provider that holds one address's message until it is let go."""

    provider = "test"
    instant = False

    def __init__(self, name: str, held: str, release: threading.Event, sent: list[str]) -> None:
        self.name, self._held, self._release, self._sent = name, held, release, sent

    def clean(self, address: str) -> str:
        return address

    def send(self, message: Message) -> Receipt:
        if message.address == self._held:
            assert self._release.wait(60)
        else:
            self._sent.append(message.address)
            if len(self._sent) == 2:
                self._release.set()
        return Receipt("test", message.delivery_id)

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.proves("A11")
def test_a_provider_that_hangs_on_one_message_holds_up_no_other(shop: Any) -> None:
    """The message that hangs is let go only by two others, which are routed while it hangs."""
    shop.post(
        "repair.upsert", {"id": "R-1", "status": "approved", "technician": {"id": "marco"}}, settle=False
    )
    release, sent = threading.Event(), []
    channels: dict[str, Any] = {
        "email": _Channel("email", MARCO_MAIL, release, sent),
        "sms": _Channel("sms", "", release, []),
    }
    deliverer = Deliverer(channels, threads=2, lease=timedelta(seconds=30), rng=random.Random(1))
    with shop.world.app.app_context():
        take.drain(10)
        later = threading.Timer(0.5, _route_more, [shop])
        later.start()
        deadline = time.monotonic() + 60
        while len(sent) < 2 and time.monotonic() < deadline:
            deliverer.drain("urgent", 0.2)
        later.join()
    deliverer.close()
    assert sent == [PRIYA_MAIL, PRIYA_MAIL]
    assert release.is_set()
    shop.forget()


def _route_more(shop: Any) -> None:
    for number in (2, 3):
        shop.post(
            "repair.upsert",
            {"id": f"R-{number}", "status": "approved", "technician": {"id": "priya"}},
            settle=False,
        )
    with shop.world.app.app_context():
        take.drain(10)


class _Home:
    """Keeps one stream, as the hub does."""

    def drop(self, stream: Stream) -> None:
        if not stream.closed:
            stream.closed = True
            stream.end()


@pytest.mark.proves("B4")
def test_a_reader_that_is_cut_off_is_sent_nothing_past_a_gap() -> None:
    person, broken = uuid4(), []
    reader = reader_of(uuid4(), uuid4(), {person: (uuid4(), "", "technician")})
    stream = QueuedStream(reader, _Home(), {person.hex: 0}, cut=lambda: broken.append(True))
    for _ in range(400):
        stream.write(heartbeat(2000))
    assert stream.closed
    assert broken, "a client that takes nothing would never notice the end"
    stream.write(heartbeat(2000))
    assert list(stream.frames()) == []


@pytest.mark.proves("A1")
def test_a_message_that_is_sent_by_name_can_be_about_a_customer(shop):
    shop.post("repair.upsert", {"id": "R-1", "status": "pending", "customer": {"id": "dana"}})
    shop.forget()
    words = {"headline": "Call back, please", "known": [{"name": "When", "value": "today"}]}
    asked = {"template": "general", "context": words, "recipients": [{"id": "marco"}], "customer": "dana"}
    shop.post("notification.send", asked)
    payload = shop.events("general")[0].payload
    assert payload["customer"]["name"] == "Dana Whitfield"
    assert payload["customer_id"] == str(shop.people["dana"].id)
    unknown = shop.post("notification.send", asked | {"customer": "nobody"})
    assert "customer: nobody is not known here" in shop.inbound(unknown).error
    shop.forget()

"""A10 and A11: each attempt is a row; what may pass is tried again with the same message, what never will is not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from notify_app import process, queue
from notify_app.policy.channel import channel as channel_type
from tests.stories.conftest import DANA_MAIL, DANA_PHONE, MARCO_MAIL, MARCO_PHONE, OFFICE_MAIL


def without_date(mail):
    """The bytes of a mail but for the line that says when it was handed over."""
    return [line for line in mail.data.split(b"\r\n") if not line.startswith(b"Date: ")]


def begun(shop):
    """A MEDIUM message to Dana by mail."""
    return shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").in_progress()


def finished(shop):
    """A HIGH message to Dana by SMS."""
    return shop.repair("R-1", customer="dana", vehicle="2021 Subaru Outback").completed()


# --- A10 -----------------------------------------------------------------------------------------------------------


@pytest.mark.proves("A10")
def test_an_attempt_that_succeeds_is_a_row_with_provider_id_response_cost_and_times(shop):
    finished(shop)
    shop.sms(DANA_PHONE).says("is ready")
    delivery = shop.delivery("dana", "sms")
    (attempt,) = shop.attempts(delivery)
    assert (delivery.channel, delivery.address) == ("sms", DANA_PHONE)
    assert (attempt.number, attempt.outcome, attempt.provider) == (1, "accepted", "sns")
    assert attempt.provider_id == delivery.provider_id
    assert attempt.provider_id in attempt.response
    assert attempt.cost_usd == Decimal("0.00645")
    assert attempt.started_at <= attempt.finished_at
    assert (attempt.error, attempt.error_code) == (None, None)
    shop.silence()


@pytest.mark.proves("A10")
def test_an_attempt_that_fails_is_a_row_with_the_providers_code_and_words(shop):
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.2 come back later", times=1)
    begun(shop)
    first = shop.attempts(shop.delivery("dana", "email"))[0]
    assert (first.number, first.outcome, first.error_code) == (1, "transient", "451 4.3.2")
    assert "come back later" in first.error
    shop.wait(timedelta(minutes=1))
    shop.mail(DANA_MAIL).says("R-1")
    first, second = shop.attempts(shop.delivery("dana", "email"))
    assert (second.number, second.outcome) == (2, "accepted")
    assert "250" in second.response
    assert first.finished_at <= second.started_at
    shop.silence()


@pytest.mark.proves("A10")
def test_a_provider_that_repeats_the_address_does_not_put_it_into_the_log_of_attempts(shop):
    shop.world.smtp.fail(DANA_MAIL, f"550 5.1.1 <{DANA_MAIL}> is nobody here")
    begun(shop)
    (attempt,) = shop.attempts(shop.delivery("dana", "email"))
    assert "is nobody here" in attempt.error
    assert DANA_MAIL not in attempt.error
    shop.forget()


@pytest.mark.proves("A10")
def test_what_is_not_needed_any_more_is_no_attempt(shop):
    shop.person("nell", sms="+12025550105", zone="UTC", quiet=("00:00", "23:59"))
    shop.at("2027-02-10 12:00")
    shop.repair("R-1", customer="dana", technician="nell").in_progress()
    shop.mail(DANA_MAIL).says("R-1")
    line = shop.inbox("nell").has("repair_assigned")
    shop.browser("nell").get(f"/inbox/{line.id}")
    shop.at("2027-02-11 00:30")
    delivery = shop.delivery("nell", "sms")
    assert (delivery.state, delivery.attempts) == ("queued", 0) or delivery.state == "skipped"
    assert shop.attempts(delivery) == []
    shop.silence()


# --- A11: what may pass ----------------------------------------------------------------------------------------------


@pytest.mark.proves("A11")
@pytest.mark.parametrize("provider", ["smtp", "ses"])
def test_a_retry_sends_exactly_what_was_meant_whatever_has_changed_meanwhile(shop, provider):
    shop.over(provider)
    stub = shop.world.smtp if provider == "smtp" else shop.world.aws
    stub.fail(DANA_MAIL, "drop:dot" if provider == "smtp" else "reset:accepted", times=1)
    repair = begun(shop)
    first = shop.mail(DANA_MAIL).says("2021 Subaru Outback")
    shop.build.run(
        "UPDATE organisation SET name = 'Another Name', branding = branding || '{\"footer\": \"New\"}'"
    )
    shop.build.template(shop.organisation, "repair_in_progress", subject="New words", email_text="New words")
    shop.post("repair.upsert", {"id": "R-1", "vehicle": "A tractor"})
    assert repair.row.data["vehicle"] == "A tractor"
    shop.wait(timedelta(minutes=2))
    second = shop.mail(DANA_MAIL).says("2021 Subaru Outback")
    assert without_date(first)[1:] == without_date(second)[1:], (
        "the very same bytes, the Message-ID among them"
    )
    assert first.message_id == second.message_id
    assert [one.outcome for one in shop.attempts(shop.delivery("dana", "email"))] == ["ambiguous", "accepted"]
    shop.silence()


@pytest.mark.proves("A11")
@pytest.mark.parametrize(
    ("channel", "stub", "address", "fault"),
    [
        ("email", "smtp", DANA_MAIL, "451 4.3.2 later"),
        ("sms", "aws", DANA_PHONE, 500),
    ],
)
def test_what_may_pass_is_tried_again_with_growing_pauses_until_it_does(shop, channel, stub, address, fault):
    getattr(shop.world, stub).fail(address, fault, times=3)
    repair = shop.repair("R-1", customer="dana")
    repair.in_progress() if channel == "email" else repair.completed()
    pauses = []
    while (row := shop.delivery("dana", channel)).state == "queued":
        pauses.append(row.next_attempt_at - shop.attempts(row)[-1].finished_at)
        shop.wait(row.next_attempt_at - shop.now() + timedelta(seconds=1))
    assert row.state == "sent"
    assert [one.outcome for one in shop.attempts(row)] == ["transient"] * 3 + ["accepted"]
    for pause, gap in zip(pauses, channel_type(channel).schedule.gaps, strict=False):
        assert gap / 2 <= pause <= gap, "half of the gap at least, and jitter"
    (shop.mail(DANA_MAIL) if channel == "email" else shop.sms(DANA_PHONE)).says("R-1")
    shop.silence()


@pytest.mark.proves("A11")
def test_after_the_last_attempt_it_has_failed_and_the_next_channel_is_taken(shop):
    shop.world.aws.fail(DANA_PHONE, 500)
    finished(shop)
    shop.wait(timedelta(hours=1))
    row = shop.delivery("dana", "sms")
    assert (row.state, row.reason) == ("failed", "attempts_used_up")
    assert len(shop.attempts(row)) == channel_type("sms").schedule.attempts >= 3
    shop.mail(DANA_MAIL).says("is ready")
    shop.silence()


@pytest.mark.proves("A11")
def test_what_has_become_too_old_is_given_up(shop):
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.2 later")
    begun(shop)
    shop.wait(timedelta(hours=30))
    row = shop.delivery("dana", "email")
    assert (row.state, row.reason) in (("failed", "too_old"), ("failed", "attempts_used_up"))
    last = shop.attempts(row)[-1].started_at
    assert last - row.created_at <= timedelta(hours=24)
    shop.sms(DANA_PHONE).says("R-1")
    shop.silence()


@pytest.mark.proves("A11")
def test_a_provider_that_asks_for_patience_is_given_it_and_no_attempt_is_burnt(shop):
    shop.world.aws.fail(DANA_PHONE, "Throttled: slow down", times=7)
    finished(shop)
    row = shop.delivery("dana", "sms")
    assert (row.state, row.failures) == ("queued", 0)
    shop.wait(timedelta(hours=1))
    shop.sms(DANA_PHONE).says("is ready")
    row = shop.delivery("dana", "sms")
    assert (row.state, row.failures, len(shop.attempts(row))) == ("sent", 0, 8)
    shop.silence()


@pytest.mark.proves("A11")
def test_an_ordinary_sms_whose_answer_was_lost_is_not_sent_twice(shop):
    shop.world.aws.fail(DANA_PHONE, "reset:accepted", times=1)
    finished(shop)
    shop.wait(timedelta(hours=3))
    assert (shop.delivery("dana", "sms").state, shop.delivery("dana", "sms").reason) == (
        "unknown",
        "sent_unconfirmed",
    )
    shop.sms(DANA_PHONE).says("is ready")
    shop.silence()


@pytest.mark.proves("A11")
def test_an_urgent_sms_whose_answer_was_lost_is_risked_once_more(shop):
    shop.world.aws.fail(MARCO_PHONE, "reset:accepted", times=1)
    shop.repair("R-1", technician="marco").approved()
    shop.wait(timedelta(minutes=5))
    shop.sms(MARCO_PHONE).says("R-1")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.sms(MARCO_PHONE).says("R-1")
    shop.mail(MARCO_MAIL).says("R-1")
    shop.inbox("marco").has("repair_approved")
    shop.inbox("marco").has("repair_assigned")
    shop.silence()


# --- A11: what never will ------------------------------------------------------------------------------------------


@pytest.mark.proves("A11")
def test_a_permanent_refusal_is_not_tried_again_and_blocks_the_address(shop):
    shop.world.smtp.fail(DANA_MAIL, "550 5.1.1 nobody here")
    begun(shop)
    shop.sms(DANA_PHONE).says("R-1")
    shop.wait(timedelta(hours=48))
    row = shop.delivery("dana", "email")
    assert (row.state, row.reason, len(shop.attempts(row))) == ("failed", "provider_refused", 1)
    shop.world.smtp.release()
    shop.repair("R-2", customer="dana").in_progress()
    shop.sms(DANA_PHONE).says("R-2")
    shop.mail(DANA_MAIL).nothing()
    shop.inbox("olga").has("address_blocked", "Dana Whitfield")
    shop.silence()


@pytest.mark.proves("A11")
def test_content_that_is_refused_is_not_tried_again_and_blocks_nobody(shop):
    shop.over("ses")
    shop.world.aws.fail(DANA_MAIL, "MessageRejected: looks like spam", times=1)
    begun(shop)
    shop.sms(DANA_PHONE).says("R-1")
    assert shop.delivery("dana", "email").state == "failed"
    shop.repair("R-2", customer="dana").in_progress()
    shop.mail(DANA_MAIL).says("R-2")
    shop.silence()


# --- A11: what falls through -----------------------------------------------------------------------------------------


@pytest.mark.proves("A11")
def test_the_sweep_of_every_five_minutes_finds_what_nobody_was_woken_for(shop):
    shop.post(
        "repair.upsert", {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}}, settle=False
    )
    shop.world.valkey.flushall()
    shop.world.settle()
    assert shop.world.due() == ["route"]
    shop.world.sweep("retry")
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


@pytest.mark.proves("A11")
def test_a_delivery_whose_wake_up_was_lost_is_found_too(shop, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(queue, "wake", lambda *_: None)
        patch.setattr("notify_app.pipeline.step.queue.wake", lambda *_: None)
        shop.post(
            "repair.upsert", {"id": "R-1", "status": "in_progress", "customer": {"id": "dana"}}, settle=False
        )
        process.current().drain("route")
    assert shop.world.due() == ["bulk"]
    shop.mail(DANA_MAIL).nothing()
    shop.world.sweep("retry")
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


@pytest.mark.proves("A11", "A10")
def test_a_delivery_whose_worker_died_is_closed_as_in_doubt_and_mail_is_sent_once_more(shop):
    shop.world.smtp.fail(DANA_MAIL, "451 4.3.2 later", times=1)
    begun(shop)
    # as a worker that was killed after its claim leaves it: a lease of real time that has run out
    shop.build.run(
        "UPDATE delivery SET state = 'sending', token = uuidv7(), lease_until = clock_timestamp() - interval '1 s', "
        "claimed_at = hub_now(), attempts = 2 WHERE channel = 'email'"
    )
    shop.world.sweep("rescue")
    row = shop.delivery("dana", "email")
    assert (row.state, row.reason) == ("queued", "lease_ran_out")
    assert shop.attempts(row)[1].outcome == "ambiguous"
    shop.wait(timedelta(minutes=10))
    shop.mail(DANA_MAIL).says("R-1")
    shop.silence()


@pytest.mark.proves("A11", "A16")
def test_one_address_that_always_fails_holds_up_nobody_else(shop):
    shop.customer("gus", email="gus@example.com")
    shop.world.smtp.fail("gus@example.com", "451 4.3.2 later")
    for number in range(5):
        shop.post(
            "repair.upsert",
            {"id": f"G-{number}", "status": "in_progress", "customer": {"id": "gus"}},
            settle=False,
        )
        shop.post(
            "repair.upsert",
            {"id": f"D-{number}", "status": "in_progress", "customer": {"id": "dana"}},
            settle=False,
        )
    shop.settle()
    for number in range(5):
        shop.mail(DANA_MAIL).says(f"D-{number}")
    assert {row.state for row in shop.deliveries("gus")} == {"queued"}
    shop.mail(OFFICE_MAIL).nothing()
    shop.silence()

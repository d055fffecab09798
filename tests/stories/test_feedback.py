"""What comes back: SES and SNS report by signed messages of a topic, in any order, late or twice; what cannot prove itself
leaves nothing."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.hub import Hub
from tests.sns import (
    ANOTHER_TOPIC,
    CERTIFICATE_URL,
    HOST,
    NAME,
    TOPIC,
    SnsStub,
    another_key,
    bounce,
    ses,
    sms_status,
)
from tests.stories.conftest import DANA_MAIL, DANA_PHONE, OFFICE_MAIL

pytestmark = pytest.mark.proves("A9", "A10", "C7")


@pytest.fixture(autouse=True)
def _as_new(sns: SnsStub, app: Any) -> None:
    sns.reset()
    app.extensions.pop("sns certificates", None)


def post(
    hub: Hub, envelope: dict[str, Any] | bytes, path: str = "/receipts/sns", **headers: str
) -> TestResponse:
    """As SNS posts it; what that wakes has run."""
    body = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    client = hub.world.app.test_client(use_cookies=False)
    answer = client.post(path, data=body, headers={"Content-Type": "text/plain; charset=UTF-8", **headers})
    hub.settle()
    return answer


def mailed(hub: Hub, person: str = "dana") -> Any:
    """An email over SES to somebody, which SES has taken."""
    hub.over("ses")
    hub.repair("R-1", customer=person).in_progress()
    row = hub.delivery(person, "email")
    assert (row.state, row.provider) == ("sent", "ses")
    hub.forget()
    return row


def blocked(hub: Hub, value: str = DANA_MAIL) -> Any:
    """Its row, or None."""
    rows = hub.build.all("SELECT * FROM suppression WHERE value = :value", value=value)
    assert len(rows) < 2
    return rows[0] if rows else None


def kept(hub: Hub) -> list[Any]:
    """Messages of providers that were taken."""
    return hub.build.all("SELECT * FROM provider_message")


# --- who may say it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("event", [False, True])
def test_a_signed_report_moves_the_delivery(shop: Hub, sns: SnsStub, version: str, event: bool) -> None:
    row = mailed(shop)
    answer = post(shop, sns.signed(ses("Delivery", row.provider_id, event=event), version=version))
    assert (answer.status_code, answer.get_json()) == (200, {"duplicate": False})
    assert shop.delivery("dana", "email").state == "delivered"
    assert sns.asked == [f"/{NAME}.pem"]
    assert [one.waiting for one in kept(shop)] == [None], "nothing of its content stays"


def test_the_certificate_is_asked_for_once(shop: Hub, sns: SnsStub) -> None:
    for _ in range(3):
        assert post(shop, sns.signed("Successfully validated SNS topic.")).status_code == 200
    assert sns.asked == [f"/{NAME}.pem"]


@pytest.mark.proves("S3", "S7")
@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": ANOTHER_TOPIC},
        {"SigningCertURL": f"http://{HOST}/{NAME}.pem"},
        {"SigningCertURL": f"https://sns.eu-west-1.amazonaws.com/{NAME}.pem"},
        {"SigningCertURL": f"https://{HOST}.evil.example/{NAME}.pem"},
        {"SigningCertURL": f"https://evil.example/{HOST}/{NAME}.pem"},
        {"SigningCertURL": f"https://{HOST}@evil.example/{NAME}.pem"},
        {"SigningCertURL": f"https://me:secret@{HOST}/{NAME}.pem"},
        {"SigningCertURL": f"https://{HOST}:8443/{NAME}.pem"},
        {"SigningCertURL": f"https://{HOST}/{NAME}.pem?x=1#.pem"},
        {"SigningCertURL": f"https://{HOST}/{NAME}.txt"},
        {"SigningCertURL": f"https://{HOST}/../{NAME}.pem"},
        {"SigningCertURL": f"https://sns.us-east-1.amazonaws.com.cn/{NAME}.pem"},
        {"SigningCertURL": "https://[::1/x.pem"},
        {"SigningCertURL": f"https://bucket.s3.amazonaws.com/{NAME}.pem"},
        {"SigningCertURL": f"https://{HOST}/expired.pem"},
        {"signer": another_key},
        {"after": {"Message": json.dumps(bounce("ses-other"))}},
        {"after": {"MessageId": "another-id"}},
        {"after": {"Timestamp": "2026-11-24T22:05:00.000Z"}},
        {"after": {"SignatureVersion": "2"}},
        {"after": {"Signature": "AAAA"}},
        {"after": {"Subject": "added"}},
        {"at": timedelta(hours=-1, minutes=-1)},
        {"at": timedelta(minutes=6)},
    ],
    # the same in each process: a function is called by its name
    ids=lambda changes: " ".join(
        f"{key}={getattr(value, '__name__', value)}" for key, value in changes.items()
    )[:70],
)
def test_what_cannot_prove_itself_is_refused_and_leaves_nothing(
    shop: Hub, sns: SnsStub, changes: dict[str, Any]
) -> None:
    row = mailed(shop)
    given = dict(changes)
    after = given.pop("after", {})
    if "signer" in given:
        given["signer"] = given["signer"]()
    if "at" in given:
        given["at"] = datetime.now(UTC) + given["at"]
    envelope = {**sns.signed(bounce(row.provider_id), **given), **after}
    answer = post(shop, envelope)
    assert answer.status_code == 403
    assert answer.mimetype == "application/problem+json"
    assert not kept(shop)
    assert blocked(shop) is None
    assert shop.delivery("dana", "email").state == "sent"
    assert not [one for one in sns.asked if "expired" not in one and NAME not in one]


@pytest.mark.proves("S3")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b"{", 422),
        (b'{"Type": "Notification"}', 422),
        (b'{"Type": NaN}', 422),
        (b'{"Type": ["Notification"]}', 422),
        (b'{"a":' * 50 + b"1" + b"}" * 50, 422),
        (b"\xff\xfe", 422),
        (b"x" * (512 * 1024 + 1), 413),
    ],
)
def test_what_is_no_message_of_sns_is_refused(hub: Hub, body: bytes, status: int) -> None:
    assert post(hub, body).status_code == status
    assert post(hub, body, "/inbound/sms").status_code == status
    assert not kept(hub)


@pytest.mark.parametrize(
    "changes",
    [
        {"MessageId": None},
        {"MessageId": "a b"},
        {"Message": None},
        {"Timestamp": "yesterday"},
        {"Type": "Advertisement"},
        {"SigningCertURL": None},
    ],
)
def test_an_envelope_with_something_missing_names_it(
    shop: Hub, sns: SnsStub, changes: dict[str, Any]
) -> None:
    answer = post(shop, sns.signed("x", **changes))
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == next(iter(changes))


def test_a_report_that_names_no_message_is_refused(shop: Hub, sns: SnsStub) -> None:
    for report in (
        {"eventType": "Bounce", "mail": {}},
        {"status": "FAILURE", "notification": {"messageId": 7}},
    ):
        assert post(shop, sns.signed(report)).status_code == 422
    assert not kept(shop)


def test_while_the_certificate_cannot_be_had_it_is_to_come_again_and_is_not_asked_for_each_time(
    shop: Hub, sns: SnsStub
) -> None:
    row = mailed(shop)
    url = f"https://{HOST}/nothing.pem"
    for _ in range(3):
        answer = post(shop, sns.signed(bounce(row.provider_id), SigningCertURL=url))
        assert answer.status_code == 503
    assert sns.asked == ["/nothing.pem"]
    assert post(shop, sns.signed(bounce(row.provider_id))).status_code == 200, "another one can be had"
    shop.forget()


# --- subscriptions -------------------------------------------------------------------------------------------------


def test_a_subscription_is_confirmed_once(shop: Hub, sns: SnsStub) -> None:
    envelope = sns.confirmation()
    assert post(shop, envelope).get_json() == {"duplicate": False}
    assert post(shop, envelope).get_json() == {"duplicate": True}
    confirmations = [one for one in sns.asked if one.startswith("/?")]
    assert confirmations == [f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"]


def test_a_confirmation_that_was_not_taken_is_tried_when_it_comes_again(shop: Hub, sns: SnsStub) -> None:
    sns.pages["/"] = (500, b"")
    envelope = sns.confirmation()
    assert post(shop, envelope).status_code == 503
    sns.pages["/"] = (200, b"")
    assert post(shop, envelope).get_json() == {"duplicate": False}


@pytest.mark.proves("S7")
@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription",
        "https://169.254.169.254/latest/meta-data",
        f"http://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=1",
        f"https://{HOST}/?Action=DeleteTopic&TopicArn={TOPIC}",
        f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={ANOTHER_TOPIC}&Token=1",
    ],
)
def test_no_other_address_is_visited(shop: Hub, sns: SnsStub, url: str) -> None:
    assert post(shop, sns.confirmation(SubscribeURL=url)).status_code == 403
    assert not sns.asked


def test_that_a_topic_sends_no_more_is_taken_and_nothing_is_visited(shop: Hub, sns: SnsStub) -> None:
    assert post(shop, sns.confirmation(Type="UnsubscribeConfirmation")).status_code == 200
    assert not [one for one in sns.asked if one.startswith("/?")]


def test_nobody_is_listened_to_where_no_topic_is_named(settings: Any) -> None:
    from dataclasses import replace

    assert replace(settings, sns_topics="").topics == ()
    assert replace(settings, sns_topics=f"{TOPIC}, {ANOTHER_TOPIC}").topics == (TOPIC, ANOTHER_TOPIC)


# --- what it says --------------------------------------------------------------------------------------------------


def test_the_same_message_again_changes_nothing(shop: Hub, sns: SnsStub) -> None:
    row = mailed(shop)
    envelope = sns.signed(bounce(row.provider_id))
    assert post(shop, envelope).get_json() == {"duplicate": False}
    shop.forget()
    assert post(shop, envelope).get_json() == {"duplicate": True}
    # and the same matter by another way: an identity's feedback and a configuration set both report it
    assert post(shop, sns.signed(bounce(row.provider_id, event=True))).status_code == 200
    assert len(shop.build.all("SELECT 1 FROM feedback")) == 1
    shop.silence()


def test_a_redelivery_that_is_known_is_taken_however_old(shop: Hub, sns: SnsStub) -> None:
    row = mailed(shop)
    old = sns.signed(ses("Delivery", row.provider_id), at=datetime.now(UTC) - timedelta(hours=2))
    assert post(shop, old).status_code == 403
    shop.build.insert("provider_message", id=old["MessageId"], topic=TOPIC)
    assert post(shop, old).get_json() == {"duplicate": True}


REPORTS = {
    "delay": lambda sent: ses("DeliveryDelay", sent, event=True, delayType="MailboxFull"),
    "delivery": lambda sent: ses("Delivery", sent),
    "bounce": bounce,
    "complaint": lambda sent: ses("Complaint", sent, complaintFeedbackType="abuse"),
}


@pytest.mark.parametrize("order", list(permutations(REPORTS))[::5], ids="-".join)
def test_in_any_order_it_ends_the_same(shop: Hub, sns: SnsStub, order: tuple[str, ...]) -> None:
    row = mailed(shop)
    for name in order:
        assert post(shop, sns.signed(REPORTS[name](row.provider_id))).status_code == 200
    shop.forget()
    now = shop.delivery("dana", "email")
    assert (now.state, now.reason) == ("delivered", "complained")
    assert blocked(shop).kind == "complaint"
    heard = {one.heard for one in shop.build.all("SELECT heard FROM feedback")}
    assert heard == {"delayed", "hard_bounce", "complaint"}


@pytest.mark.parametrize(
    ("report", "state", "reason", "kind"),
    [
        (bounce, "bounced", "hard_bounce", "bounce"),
        (lambda sent: bounce(sent, "Transient"), "bounced", "soft_bounce", None),
        (lambda sent: bounce(sent, "Undetermined"), "bounced", "soft_bounce", None),
        (
            lambda sent: ses("Reject", sent, event=True, reason="Bad content"),
            "failed",
            "rejected_later",
            None,
        ),
        (
            lambda sent: ses("Rendering Failure", sent, event=True, errorMessage="x"),
            "failed",
            "rejected_later",
            None,
        ),
        (lambda sent: ses("Complaint", sent, complaintFeedbackType="not-spam"), "sent", None, None),
        (lambda sent: ses("Complaint", sent), "delivered", "complained", "complaint"),
        (lambda sent: ses("Open", sent, event=True), "sent", None, None),
        (lambda sent: ses("Send", sent, event=True), "sent", None, None),
    ],
)
def test_what_ses_reports_moves_the_delivery(
    shop: Hub, sns: SnsStub, report: Any, state: str, reason: str | None, kind: str | None
) -> None:
    row = mailed(shop)
    assert post(shop, sns.signed(report(row.provider_id))).status_code == 200
    shop.forget()
    now = shop.delivery("dana", "email")
    assert (now.state, now.reason) == (state, reason)
    found = blocked(shop)
    assert (found.kind if found else None) == kind


@pytest.mark.parametrize(
    ("status", "said", "state", "reason", "kind"),
    [
        ("SUCCESS", "Message has been accepted by phone carrier", "delivered", None, None),
        ("FAILURE", "Phone is currently unreachable/unavailable", "failed", "soft_bounce", None),
        ("FAILURE", "Invalid phone number", "failed", "hard_bounce", "bounce"),
        ("FAILURE", "Phone has opted out", "failed", "opted_out", "opt_out"),
        ("FAILURE", "Blocked as spam by phone carrier", "failed", "rejected_later", None),
        ("FAILURE", "No quota left for account", "failed", "rejected_later", None),
    ],
)
def test_what_sns_reports_of_an_sms_moves_the_delivery(
    shop: Hub, sns: SnsStub, status: str, said: str, state: str, reason: str | None, kind: str | None
) -> None:
    shop.repair("R-1", customer="dana").pending()
    row = shop.delivery("dana", "sms")
    shop.forget()
    assert post(shop, sns.signed(sms_status(row.provider_id, status, said))).status_code == 200
    shop.forget()
    now = shop.delivery_of("dana", "sms", "repair_pending_approval")
    assert (now.state, now.reason) == (state, reason)
    found = blocked(shop, DANA_PHONE)
    assert (found.kind if found else None) == kind


def test_a_report_that_comes_before_we_have_written_down_that_it_is_sent_waits_for_it(
    shop: Hub, sns: SnsStub
) -> None:
    row = mailed(shop)
    # as it is between the provider's answer and our commit
    shop.build.run("UPDATE attempt SET provider_id = NULL WHERE delivery_id = :id", id=row.id)
    assert post(shop, sns.signed(bounce(row.provider_id))).get_json() == {"duplicate": False}
    [waiting] = kept(shop)
    assert waiting.waiting["report"]["provider_id"] == row.provider_id
    assert shop.delivery("dana", "email").state == "sent"
    shop.build.run(
        "UPDATE attempt SET provider_id = :pid WHERE delivery_id = :id", id=row.id, pid=row.provider_id
    )
    shop.wait(timedelta(seconds=10))
    shop.forget()
    assert shop.delivery("dana", "email").state == "bounced"
    assert blocked(shop).kind == "bounce"
    assert [one.waiting for one in kept(shop)] == [None]


def test_a_report_about_nothing_that_was_sent_here_is_given_up_after_an_hour(shop: Hub, sns: SnsStub) -> None:
    assert post(shop, sns.signed(bounce("ses-of-somebody-else"))).status_code == 200
    shop.wait(timedelta(minutes=50))
    assert [one.waiting is None for one in kept(shop)] == [False]
    shop.wait(timedelta(minutes=30))
    assert [one.waiting is None for one in kept(shop)] == [True]
    assert blocked(shop) is None


def test_one_report_that_cannot_be_applied_holds_up_no_other(shop: Hub, sns: SnsStub) -> None:
    row = mailed(shop)
    shop.build.insert(
        "provider_message", id="odd", topic=TOPIC, waiting=json.dumps({"report": {}}), next_look_at=shop.now()
    )
    shop.build.insert(
        "provider_message",
        id="good",
        topic=TOPIC,
        waiting=json.dumps(
            {
                "report": {
                    "provider": "ses",
                    "provider_id": row.provider_id,
                    "heard": "delivered",
                    "detail": "",
                }
            }
        ),
        next_look_at=shop.now(),
    )
    shop.expects_errors()
    shop.world.sweep("feedback")
    assert shop.delivery("dana", "email").state == "delivered"
    assert {one.id: one.waiting is None for one in kept(shop)} == {"odd": False, "good": True}


def test_one_that_cannot_be_applied_for_an_hour_is_given_up_and_says_so(
    shop: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    shop.build.insert(
        "provider_message", id="odd", topic=TOPIC, waiting=json.dumps({"report": {}}), next_look_at=shop.now()
    )
    shop.expects_errors()
    shop.wait(timedelta(minutes=80))
    assert [one.waiting for one in kept(shop)] == [None]
    assert "message odd of a provider could not be applied for an hour, and is given up" in caplog.text


# --- what follows --------------------------------------------------------------------------------------------------


@pytest.mark.proves("A16")
def test_what_has_not_arrived_goes_by_the_next_channel_and_the_office_is_asked_to_put_the_address_right(
    shop: Hub, sns: SnsStub
) -> None:
    row = mailed(shop)
    post(shop, sns.signed(bounce(row.provider_id)))
    shop.sms(DANA_PHONE).says("R-1")
    line = shop.inbox("olga").has("address_blocked", "Dana Whitfield", "d***@example.com", "comes back")
    assert line.action_url == f"/people/{shop.people['dana'].id}#addresses"
    shop.silence()
    # what comes next does not go there any more
    shop.repair("R-2", customer="dana").in_progress()
    assert shop.decisions("dana", "repair_in_progress")["email"][1] == "suppressed"
    shop.sms(DANA_PHONE).says("R-2")


@pytest.mark.proves("A16")
def test_where_there_is_no_other_way_the_office_hears_who_was_not_reached(shop: Hub, sns: SnsStub) -> None:
    shop.customer("nora", name="Nora Bell", email="nora@example.com")
    row = mailed(shop, "nora")
    post(shop, sns.signed(bounce(row.provider_id)))
    shop.inbox("olga").has("not_reached", "Nora Bell")
    shop.mail(OFFICE_MAIL).says("Not reached: Nora Bell", "came back for good")
    shop.inbox("olga").has("address_blocked", "Nora Bell")
    shop.silence()


def test_what_was_read_meanwhile_has_arrived_another_way(shop: Hub, sns: SnsStub) -> None:
    shop.over("ses")
    reward = {"technician": {"id": "marco"}, "reward": "Gloves", "points": 5, "redeemed_by": "Dana"}
    shop.post("reward.redeemed", {**reward, "redeemed_at": shop.now().isoformat()})
    row = shop.delivery("marco", "email")
    shop.forget()
    shop.build.run("UPDATE notification SET read_at = hub_now()")
    post(shop, sns.signed(bounce(row.provider_id)))
    shop.inbox("olga").has("address_blocked", "Marco Reyes")
    shop.silence()


def test_soft_bounces_close_an_address_when_there_are_enough_of_them(shop: Hub, sns: SnsStub) -> None:
    shop.over("ses")
    for number in range(1, 6):
        assert blocked(shop) is None, number
        shop.repair(f"R-{number}", customer="dana").in_progress()
        row = shop.deliveries("dana", "email")[-1]
        report = sns.signed(bounce(row.provider_id, "Transient"))
        post(shop, report)
        post(shop, report)
        post(shop, sns.signed(bounce(row.provider_id, "Transient")))
    shop.forget()
    assert (blocked(shop).kind, blocked(shop).reason) == ("soft_bounces", "5 messages to it came back")


def test_soft_bounces_of_weeks_ago_do_not_count(shop: Hub, sns: SnsStub) -> None:
    shop.over("ses")
    for number in range(1, 7):
        shop.repair(f"R-{number}", customer="dana").in_progress()
        post(shop, sns.signed(bounce(shop.deliveries("dana", "email")[-1].provider_id, "Transient")))
        shop.world.move(timedelta(days=5))
    shop.forget()
    assert blocked(shop) is None


@pytest.mark.proves("C5")
def test_another_organisation_still_writes_to_the_address(shop: Hub, sns: SnsStub) -> None:
    harbor = shop.another("harbor")
    harbor.customer("dana", name="Dana W.", email=DANA_MAIL)
    row = mailed(shop)
    post(shop, sns.signed(bounce(row.provider_id)))
    shop.forget()
    harbor.repair("H-1", customer="dana").in_progress()
    assert harbor.delivery("dana", "email").state == "sent"
    shop.forget()
    assert {one.organisation_id for one in shop.build.all("SELECT * FROM suppression")} == {
        shop.organisation.id
    }
    assert any(CERTIFICATE_URL.endswith(one) for one in sns.asked), (
        "believed by the certificate that it names"
    )


def sent(shop: Hub, key: str) -> Any:
    """Their mail, once it has left: SES takes fourteen a second, by real time."""
    for _ in range(200):
        row = shop.delivery(key, "email")
        if row.state == "sent":
            return row
        shop.jump(timedelta(seconds=1))
    raise AssertionError(f"the mail to {key} does not leave: {row}")


def test_when_many_addresses_close_at_once_the_office_hears_of_some_and_then_where_all_of_them_stand(
    shop: Hub, sns: SnsStub
) -> None:
    shop.over("ses")
    for number in range(24):
        shop.customer(f"c{number}", name=f"Customer {number}", email=f"c{number}@example.com")
        shop.repair(f"R-{number}", customer=f"c{number}").in_progress()
        row = sent(shop, f"c{number}")
        post(shop, sns.signed(ses("Complaint", row.provider_id)))
    lines = shop.build.all(
        "SELECT title, action_url FROM notification WHERE name = 'address_blocked' ORDER BY id"
    )
    assert len(lines) == 21
    assert "many people" in lines[-1].title
    assert lines[-1].action_url == "/suppressed"
    shop.forget()


def test_reports_that_come_at_the_same_moment_are_done_once(shop: Hub, sns: SnsStub) -> None:
    row = mailed(shop)
    same = sns.signed(bounce(row.provider_id))
    envelopes = [same] * 6 + [sns.signed(bounce(row.provider_id, event=True)) for _ in range(6)]
    ready = threading.Barrier(len(envelopes))
    statuses = []

    def send(envelope: dict[str, Any]) -> None:
        client = shop.world.app.test_client(use_cookies=False)
        ready.wait(10)
        statuses.append(client.post("/receipts/sns", data=json.dumps(envelope)).status_code)

    threads = [threading.Thread(target=send, args=(one,)) for one in envelopes]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert statuses == [200] * len(envelopes)
    shop.wait(timedelta(seconds=10))
    assert len(kept(shop)) == 7
    assert not [one for one in kept(shop) if one.waiting]
    assert len(shop.build.all("SELECT 1 FROM feedback")) == 1
    assert blocked(shop).kind == "bounce"
    shop.inbox("olga").has("address_blocked")
    shop.sms(DANA_PHONE).says("R-1")
    shop.silence()


def test_the_story_of_the_message_says_what_came_back(shop: Hub, sns: SnsStub) -> None:
    row = mailed(shop)
    post(shop, sns.signed(bounce(row.provider_id)))
    shop.forget()
    line = shop.build.one("SELECT id FROM notification WHERE person_id = :id", id=shop.people["dana"].id)
    text = shop.browser("olga").get(f"/inbox/{line.id}").text
    assert "It came back for good: there is no such address." in text
    assert "Bounced" in text

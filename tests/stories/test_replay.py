"""Messages that ended badly: found by their cause, and sent again when it is gone, once, paced, and with a reason."""

from __future__ import annotations

import csv
import io
import re
import threading
from datetime import timedelta
from uuid import uuid4

import pytest

from notify_app.channels.reports import Report
from notify_app.errors import Invalid
from notify_app.pipeline import feedback
from notify_app.pipeline.step import step
from notify_app.policy.feedback import Heard
from notify_app.work import replay
from notify_app.work.record import COMMAND
from tests.stories.conftest import MARCO_MAIL, PRIYA_MAIL
from tests.stories.test_d4_escalation import VERA_PHONE, acknowledge, rule, set_office, submitted

pytestmark = pytest.mark.proves("A10", "A11")

WHO = {"people": [{"id": "marco"}, {"id": "priya"}]}


@pytest.fixture
def office(shop):
    """Ada may send again; the mail server refuses all that is for Marco and Priya."""
    shop.person("ada", "administrator", name="Ada Quist", email="ada@example.com")
    for address in (MARCO_MAIL, PRIYA_MAIL):
        shop.world.smtp.fail(address, "554 5.7.1 policy: not today")
    return shop


def news(shop, priority="medium"):
    shop.post(
        "announcement.send",
        {"title": "Gas", "message": "Leave the hall.", "audience": WHO, "priority": priority},
    )


def mended(shop):
    """The mail server takes everything again; nobody has been told by another way."""
    shop.world.smtp.reset()
    shop.build.run("UPDATE delivery SET state = 'skipped' WHERE channel = 'sms'")


def failed(shop):
    return shop.build.all(
        "SELECT * FROM delivery WHERE channel = 'email' AND state = 'failed' AND generation = 0 ORDER BY id"
    )


def put_again(shop, ids, reason="the server is mended"):
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        return replay.replay(work, ids, reason, COMMAND)


def test_what_was_refused_is_grouped_by_its_cause_and_sent_again(office):
    news(office)
    office.forget()
    assert len(failed(office)) == 2
    mended(office)
    page = office.browser("ada").get("/deliveries/failed")
    assert "The provider refused it for good." in page.text and "to 2" in page.text
    link = re.search(r'href="(/deliveries/again\?[^"]+)"', page.html)[1].replace("&amp;", "&")
    look = office.browser("ada").get(link)
    assert "2 messages are sent again" in look.text
    nothing = office.browser("ada").submit(look, "/deliveries/again", why="  ")
    assert nothing.status == 422 and "Say why; the record keeps it." in nothing.text
    office.silence()

    said = office.browser("ada").submit(look, "/deliveries/again", why="The server is mended.")
    assert "2 messages are sent again." in said.text
    office.settle()
    office.world.sweep()
    office.jump(timedelta(seconds=2))
    for address in (MARCO_MAIL, PRIYA_MAIL):
        office.mail(address).says("Leave the hall.")
    office.silence()
    rows = office.build.all(
        "SELECT * FROM delivery WHERE channel = 'email' AND generation = 1 ORDER BY next_attempt_at"
    )
    assert [row.state for row in rows] == ["sent", "sent"]
    noted = office.build.one("SELECT * FROM audit WHERE what = 'deliveries.replayed'")
    assert noted.after == {"count": 2, "reason": "The server is mended.", "channels": ["email"]}
    assert "Nothing ended badly" in office.browser("ada").get("/deliveries/failed").text
    assert "2 messages sent again. Why: The server is mended." in office.browser("ada").get("/record").text


def test_a_new_generation_is_another_message_and_says_so(office):
    news(office)
    mended(office)
    office.forget()
    row = failed(office)[0]
    put_again(office, [row.id])
    office.world.sweep()
    new = office.build.one("SELECT * FROM delivery WHERE generation = 1")
    assert (new.content_id, new.due_at, new.group_key) == (row.content_id, row.due_at, row.group_key)
    ids = office.world.smtp.messages[-1].message_id
    assert new.id.hex in ids.replace("-", "") or str(new.id) in ids
    page = office.browser("olga").get(f"/deliveries/{row.id}")
    assert "Sent again" in page.text and "It cannot be sent again" in page.text
    assert "Sent before" in office.browser("olga").get(f"/deliveries/{new.id}").text
    office.forget()


def test_what_is_sent_again_twice_leaves_once(office):
    news(office)
    mended(office)
    office.forget()
    ids = [row.id for row in failed(office)]
    assert len(put_again(office, ids).ids) == 2
    assert put_again(office, ids).refused == {"again_already": 2}
    assert office.build.one("SELECT count(*) AS n FROM delivery WHERE generation > 0").n == 2
    office.world.sweep()
    office.jump(timedelta(seconds=2))
    office.forget()


def test_two_administrators_at_the_same_moment_send_it_once(office):
    news(office)
    mended(office)
    office.forget()
    ids = [row.id for row in failed(office)]
    together, done = threading.Barrier(2), []

    def send():
        together.wait(10)
        done.append(put_again(office, ids))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(len(one.ids) for one in done) == [0, 2]
    assert {"again_already": 2} in [one.refused for one in done]
    assert office.build.one("SELECT count(*) AS n FROM delivery WHERE generation > 0").n == 2
    items = office.build.one(
        "SELECT count(*) AS n FROM delivery_item i JOIN delivery d ON d.id = i.delivery_id WHERE generation > 0"
    )
    assert items.n == 2
    office.world.sweep()
    office.jump(timedelta(seconds=2))
    office.forget()


def test_what_would_be_of_no_use_stays_where_it_is(office):
    news(office)
    mended(office)
    office.forget()
    marco, priya = (
        next(row for row in failed(office) if row.person_id == office.people[key].id)
        for key in ("marco", "priya")
    )
    office.build.suppress(office.organisation, "email", MARCO_MAIL, "mail to it comes back")
    office.build.run(
        "UPDATE notification SET read_at = now(), changed_seq = changed_seq WHERE person_id = :me",
        me=priya.person_id,
    )
    with office.world.app.app_context(), step(office.organisation.id) as work:
        would = replay.look(work, [marco.id, priya.id, uuid4()])
    assert would.ids == []
    assert would.refused == {"suppressed": 1, "read_meanwhile": 1, "gone": 1}
    office.build.run("DELETE FROM suppression")
    office.jump(timedelta(hours=25))
    assert put_again(office, [marco.id]).refused == {"too_old": 1}
    office.forget()


def test_an_alarm_of_yesterday_is_not_sent_again(office):
    news(office, "urgent")
    mended(office)
    office.forget()
    row = failed(office)[0]
    office.jump(timedelta(hours=5))
    assert put_again(office, [row.id]).refused == {"too_old": 1}
    office.forget()


def test_whoever_was_reached_by_another_way_is_not_told_again(office):
    news(office)
    office.forget()  # the SMS that stood in for the mail
    ids = [row.id for row in failed(office)]
    assert put_again(office, ids).refused == {"other_way": 2}
    assert office.build.one("SELECT count(*) AS n FROM delivery WHERE generation > 0").n == 0


def test_it_is_paced_and_what_is_urgent_goes_first(office):
    office.build.run(
        "INSERT INTO delivery (organisation_id, person_id, channel, address, purpose, group_key, priority, state, due_at, settled_at) "
        "SELECT :org, :me, 'email', 'marco@example.com', 'notification', 'g' || n, CASE WHEN n > 20 THEN 1 ELSE 3 END, 'failed', "
        "hub_now(), hub_now() FROM generate_series(1, 25) AS n",
        org=office.organisation.id,
        me=office.people["marco"].id,
    )
    news(office, "low")
    office.build.run(
        "INSERT INTO delivery_item (organisation_id, delivery_id, notification_id) SELECT d.organisation_id, d.id, n.id "
        "FROM delivery d, notification n WHERE d.group_key LIKE 'g%' AND n.person_id = d.person_id"
    )
    office.forget()
    ids = [row.id for row in office.build.all("SELECT id FROM delivery WHERE group_key LIKE 'g%'")]
    assert len(put_again(office, ids).ids) == 25
    rows = office.build.all(
        "SELECT priority, next_attempt_at AS at FROM delivery WHERE generation = 1 ORDER BY next_attempt_at"
    )
    assert [row.priority for row in rows] == [1] * 5 + [3] * 20
    assert rows[-1].at - rows[0].at == timedelta(milliseconds=200) * 24
    office.build.run(
        "DELETE FROM delivery_item WHERE delivery_id IN (SELECT id FROM delivery WHERE generation = 1)"
    )
    office.build.run("DELETE FROM delivery WHERE generation = 1")


def test_more_than_a_thousand_and_no_reason_are_refused(office):
    with pytest.raises(Invalid) as caught:
        put_again(office, [uuid4() for _ in range(1001)])
    assert caught.value.fields[0].field == "ids"
    for reason in ("", "x" * 301):
        with pytest.raises(Invalid) as caught:
            put_again(office, [uuid4()], reason)
        assert caught.value.fields[0].field == "reason"


def test_what_waits_for_its_next_attempt_is_tried_at_once(shop):
    shop.world.smtp.fail(MARCO_MAIL, "451 4.3.2 come back later", times=1)
    news(shop)
    row = shop.deliveries("marco", "email")[0]
    assert row.state == "queued"
    page = shop.browser("olga").get(f"/deliveries/{row.id}")
    assert "451" in page.text and "Refused, for now" in page.text
    said = shop.browser("olga").submit(page, f"/deliveries/{row.id}/now")
    assert "It is tried now." in said.text
    shop.settle()
    shop.mail(MARCO_MAIL).says("Leave the hall.")
    token = page.form(f"/deliveries/{row.id}/now").fields["csrf_token"][0]
    late = shop.browser("olga").post(f"/deliveries/{row.id}/now", follow=True, csrf_token=token)
    assert "It does not wait for another attempt any more." in late.text
    shop.forget()


def test_deliveries_are_found_by_name_channel_and_how_they_ended(office):
    news(office)
    office.forget()
    olga = office.browser("olga")
    assert "Marco Reyes" in olga.get("/deliveries?q=marco&state=failed").text
    assert "Priya Natarajan" not in olga.get("/deliveries?q=marco").text
    assert "No message fits" in olga.get("/deliveries?state=waiting").text
    marco = office.people["marco"].id
    assert f'href="/deliveries?person={marco}"' in olga.get(f"/people/{marco}").html
    his = olga.get(f"/deliveries?person={marco}&days=30").text
    assert "Only: to one person" in his and "Marco Reyes" in his and "Priya Natarajan" not in his
    assert "No message fits" in olga.get("/deliveries?q=nobody%25").text
    table = list(csv.reader(io.StringIO(olga.get("/deliveries/export?state=failed&channel=email").html)))
    assert table[0][:3] == ["id", "made", "channel"]
    assert sorted(row[3] for row in table[1:]) == ["Marco Reyes", "Priya Natarajan"]
    assert all(row[4] != MARCO_MAIL for row in table[1:]), "addresses are hinted at"


def test_only_administrators_send_again_and_only_of_their_own_organisation(office):
    news(office)
    mended(office)
    office.forget()
    row = failed(office)[0]
    page = office.browser("olga").get("/deliveries/failed")
    assert "Send again" not in page.text
    assert office.browser("olga").get("/deliveries/again?channel=email").status == 403
    other = office.another("harbor", name="Harbor House")
    other.person("max", "administrator", name="Max Stern")
    assert other.browser("max").get(f"/deliveries/{row.id}").status == 404
    assert "Nothing ended badly" in other.browser("max").get("/deliveries/failed").text


def test_a_cause_that_another_release_knew_is_shown_by_its_words_and_sent_by_it(office):
    news(office)
    mended(office)
    office.forget()
    office.build.run(
        "UPDATE delivery SET reason = 'lost_in_space' WHERE channel = 'email' AND state = 'failed'"
    )
    page = office.browser("ada").get("/deliveries/failed")
    assert "Lost in space." in page.text
    link = re.search(r'href="(/deliveries/again\?[^"]+)"', page.html)[1].replace("&amp;", "&")
    assert "2 messages are sent again" in office.browser("ada").get(link).text


def test_one_message_is_sent_again_from_its_own_page(office):
    news(office)
    mended(office)
    office.forget()
    row = failed(office)[0]
    page = office.browser("ada").get(f"/deliveries/{row.id}")
    assert "Send it again" in page.text
    refused = office.browser("ada").submit(page, f"/deliveries/{row.id}/again", why="")
    assert refused.status == 422 and "Say why; the record keeps it." in refused.text
    said = office.browser("ada").submit(page, f"/deliveries/{row.id}/again", why="It works now.")
    assert "1 message is sent again." in said.text and "Sent again" in said.text
    late = office.browser("ada").submit(page, f"/deliveries/{row.id}/again", why="It works now.")
    assert "Nothing was sent again: They were sent again already." in late.text
    office.settle()
    office.forget()


def test_the_command_lists_causes_says_what_it_would_do_and_sends_for_a_reason(office):
    def said(*args):
        with office.world.app.app_context():
            return office.world.app.test_cli_runner().invoke(args=["replay", office.organisation.slug, *args])

    news(office)
    office.forget()
    mended(office)
    listed = said().output
    assert "email/provider_refused/smtp  2 to 2  " in listed and "not today" in listed
    cause = listed.split()[0]
    assert said(cause).output == "would be sent again: 2\n"
    office.silence()
    line = office.build.one(
        "SELECT id FROM notification WHERE person_id = :me", me=office.people["marco"].id
    ).id
    office.build.run("UPDATE notification SET read_at = hub_now() WHERE id = :id", id=line)
    assert said(cause, "--because", "The server is mended.").output == (
        "sent again: 1\nstay, read_meanwhile: 1\n"
    )
    office.world.sweep()
    office.mail(PRIYA_MAIL).says("Leave the hall.")
    office.silence()
    assert "sent again: 0" in said(cause, "--because", "once more").output
    wrong = said("email")
    assert wrong.exit_code == 1 and "channel/reason/provider" in wrong.output


def test_what_is_too_old_does_not_hide_what_can_be_sent(office):
    news(office)
    office.forget()
    mended(office)
    office.build.run(
        "INSERT INTO delivery (organisation_id, person_id, channel, address, purpose, group_key, priority, state, reason, provider, "
        "due_at, created_at, settled_at) SELECT :org, :me, 'email', :mail, 'notification', 'g' || n, 1, 'failed', "
        "'provider_refused', 'smtp', at, at, at FROM generate_series(1, 1000) AS n, (SELECT hub_now() - interval '3 days' AS at) t",
        org=office.organisation.id,
        me=office.people["marco"].id,
        mail=MARCO_MAIL,
    )
    look = office.browser("ada").get("/deliveries/again?channel=email&reason=provider_refused&provider=smtp")
    assert "2 messages are sent again" in look.text and "998" in look.text
    assert "There are more" not in look.text
    office.silence()


def test_when_none_can_be_sent_it_says_why(office):
    news(office)
    office.forget()  # the SMS that stood in for the mail
    look = office.browser("ada").get("/deliveries/again?channel=email&reason=provider_refused&provider=smtp")
    assert "Nothing to send again" in look.text
    assert "Their readers were reached by another way." in look.text
    office.jump(timedelta(days=2))
    look = office.browser("ada").get("/deliveries/again?channel=email&reason=provider_refused&provider=smtp")
    assert "Their readers were reached by another way." in look.text


@pytest.mark.proves("D4")
def test_what_somebody_sees_to_is_neither_sent_again_nor_by_another_way(shop):
    shop.person("vera", name="Vera Lind", sms=VERA_PHONE)
    shop.person("mo", name="Mo Adeyemi", email="mo@example.com")
    shop.person("kim", name="Kim Osei", email="kim@example.com", sms="+12025550177")
    shop.world.smtp.fail("mo@example.com", "554 5.7.1 policy: not today")
    told = [f"person:{shop.people[one].id}" for one in ("vera", "mo", "kim")]
    set_office(shop, escalations_on=True)
    rule(shop, {"after": 10, "tell": told, "says": "overdue"}, kind="permit")
    submitted(shop)
    shop.wait(timedelta(minutes=11))
    failed_mail = next(row for row in shop.deliveries("mo") if row.state == "failed")
    sent = next(row for row in shop.deliveries("kim") if (row.channel, row.state) == ("sms", "sent"))
    acknowledge(shop, "vera")
    shop.world.smtp.reset()
    assert put_again(shop, [failed_mail.id]).refused == {"acknowledged": 1}
    before = {row.id for row in shop.deliveries("kim")}
    with shop.world.app.app_context(), step(shop.organisation.id) as work:
        feedback.apply(work, sent.id, Report("sns", "x", Heard.hard_bounce, "gone"))
    shop.world.sweep()
    later = [row for row in shop.deliveries("kim") if row.id not in before]
    assert later, "another way was taken"
    assert all((row.state, row.reason) == ("skipped", "acknowledged") for row in later)
    shop.forget()

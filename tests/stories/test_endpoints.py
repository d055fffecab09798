"""Endpoints: what an office tells is posted to the systems it has chosen, once, signed, with patience, and never inside.

Each story enters by webhook or page and leaves at a receiver on loopback, which verifies with the standard's own library.
"""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest

from notify_app.pipeline import endpoints
from notify_app.pipeline.step import step
from tests.channels.receiver import Receiver
from tests.gather import eventually
from tests.pages import Page

pytestmark = [pytest.mark.proves("A10", "A11"), pytest.mark.xdist_group("endpoints")]


class Endpoint:
    """One as an administrator has added it by the page."""

    def __init__(self, hub, path="/hook", format="standard", **typed):
        self.hub, self.path = hub, path
        self.page = hub.browser("ada").submit(
            "/endpoints/new",
            "/endpoints",
            name=typed.pop("name", "Some desk"),
            url=f"https://there.example.com{path}",
            format=format,
            **typed,
        )
        assert self.page.status == 200, self.page.text
        self.secret = secret_on(self.page)
        self.id = re.search(r"/endpoints/([0-9a-f-]{36})", self.page.html)[1]

    @property
    def url(self):
        return f"/endpoints/{self.id}"

    @property
    def row(self):
        return self.hub.build.one("SELECT * FROM endpoint WHERE id = :id", id=self.id)

    def deliveries(self):
        return self.hub.build.all("SELECT * FROM delivery WHERE endpoint_id = :id ORDER BY id", id=self.id)

    def look(self) -> Page:
        return self.hub.browser("ada").get(self.url)

    def act(self, action, **typed) -> Page:
        page = self.hub.browser("ada").submit(self.url, f"{self.url}/{action}", **typed)
        self.hub.settle()
        return page


def happens(office, number=1, **how):
    """One event."""
    told = {"technician": {"id": "marco"}, "reward": f"Wiper blades {number}", "points": 1200}
    at = office.now().isoformat()
    office.post("reward.redeemed", {**told, "redeemed_by": "Dana Whitfield", "redeemed_at": at}, **how)


def secret_on(page):
    found = re.search(r"whsec_[A-Za-z0-9+/=]{40,}", page.html)
    return found[0] if found else ""


@pytest.fixture
def office(hub):
    """Ada administers, Marco is on the road. What people are told is the other stories' matter."""
    hub.person("ada", "administrator", name="Ada Quist", email="ada@example.com")
    hub.person("marco", name="Marco Reyes")
    hub.person("priya", name="Priya Natarajan")
    yield hub
    hub.forget()


def test_an_event_is_posted_once_signed_and_says_what_the_office_would_read(office, receiver: Receiver):
    there = Endpoint(office)
    repair = office.repair("R-1", technician="marco", vehicle="2021 Subaru Outback").approved()
    (posted,) = [one for one in receiver.at("/hook") if one.json["type"] == "repair_approved"]
    said = posted.verified(there.secret)
    assert said["data"]["item"]["number"] == repair.row.number
    assert said["data"]["url"] == f"https://hub.example.com/work/{repair.item_id}"
    assert (said["data"]["priority"], said["data"]["test"]) == ("urgent", False)
    assert repair.row.number in said["data"]["title"]
    assert "marco@" not in posted.body.decode()
    assert "/l/" not in posted.body.decode()
    row = next(one for one in there.deliveries() if str(one.id) == posted.id)
    assert (row.state, row.person_id, row.address, row.attempts) == ("sent", None, there.id, 1)
    with pytest.raises(Exception, match="signature"):
        posted.verified("whsec_" + "A" * 44)


def test_only_what_was_chosen_is_posted(office, receiver: Receiver):
    Endpoint(office, "/high", least_priority="2")
    Endpoint(office, "/bookings", category=["booking"])
    Endpoint(office, "/all")
    office.repair("R-1", technician="marco").approved()
    office.repair("R-1", technician="marco").in_progress()
    kinds = {path: [one.json["data"]["priority"] for one in receiver.at(path)] for path in ("/all", "/high")}
    assert "medium" in kinds["/all"]
    assert kinds["/high"]
    assert set(kinds["/high"]) <= {"high", "urgent"}
    assert receiver.at("/bookings") == []


def test_what_is_told_to_many_is_posted_once(office, receiver: Receiver):
    there = Endpoint(office)
    for number in range(12):
        office.person(f"tech{number}")
    office.post(
        "announcement.send",
        {"title": "Noon on Friday", "message": "We close.", "audience": {"everyone": True}},
    )
    (posted,) = receiver.at("/hook")
    assert posted.verified(there.secret)["data"]["text"] == "We close."
    assert len(office.build.all("SELECT 1 FROM notification WHERE name = 'announcement'")) >= 12


def test_two_organisations_never_mix(office, receiver: Receiver):
    Endpoint(office, "/ours")
    other = office.another("harbor", name="Harbor Glass")
    other.person("ada", "administrator", name="Adam")
    other.person("lena")
    theirs = Endpoint(other, "/theirs")
    other.repair("R-1", technician="lena").approved()
    assert receiver.at("/ours") == []
    assert {one.json["data"]["organisation"] for one in receiver.at("/theirs")} == {"Harbor Glass"}
    assert office.browser("ada").get(theirs.url).status == 404
    assert office.browser("ada").post(f"{theirs.url}/remove", csrf_token=token(office)).status == 404
    assert theirs.row.removed_at is None


def token(hub):
    return hub.browser("ada").get("/preferences").form("/preferences").fields["csrf_token"][0]


@pytest.mark.proves("D6")
def test_the_organisations_switch_holds_it_too(office, receiver: Receiver):
    Endpoint(office)
    runner = office.world.app.test_cli_runner()
    with office.world.app.app_context():
        runner.invoke(args=["office", office.organisation.slug, "notifications_on=false"])
    office.repair("R-1", technician="marco").approved()
    assert receiver.got == []


@pytest.mark.proves("D6")
def test_what_waits_when_notifications_are_switched_off_does_not_leave(office, receiver: Receiver):
    there = Endpoint(office)
    receiver.answer(503)
    happens(office, 1)
    assert len(receiver.got) == 1
    with office.world.app.app_context():
        office.world.app.test_cli_runner().invoke(
            args=["office", office.organisation.slug, "notifications_on=false"]
        )
    office.wait(timedelta(seconds=10))
    assert len(receiver.got) == 1
    assert {(one.state, one.reason) for one in there.deliveries()} == {("skipped", "notifications_off")}


def test_what_holds_a_secret_of_its_reader_is_not_posted(office, receiver: Receiver):
    Endpoint(office)
    visit = {"visitor_name": "Iris Holm", "unit": "A101", "arrival_time": office.now().isoformat()}
    for code in ({"access_code": "QX7-ABC-91"}, {}):
        answer = office.post("visitor.arrived", {**visit, **code, "residents": [{"id": "marco"}]})
        assert answer.status_code == 202, answer.get_json()
    assert len(office.events("visitor_arrival")) == 2
    kinds = [one.json["type"] for one in receiver.got]
    assert kinds.count("visitor_arrival") == 1
    assert not any(b"QX7" in one.body for one in receiver.got)


@pytest.mark.proves("A8")
def test_quiet_hours_are_peoples_and_hold_up_no_endpoint(office, receiver: Receiver):
    Endpoint(office)
    office.build.quiet(office.people["marco"], "00:00", "23:59")
    happens(office)
    assert len(receiver.got) == 1


def test_the_same_matter_written_twice_is_posted_once(office, receiver: Receiver):
    there = Endpoint(office)
    for _ in range(2):
        with office.world.app.app_context(), step(office.organisation.id) as work:
            endpoints.put(work, [endpoints.row(there.id, "Late", '{"type":"late"}', "a-matter", 2)])
    office.settle()
    assert len(receiver.got) == 1


# --- answers -----------------------------------------------------------------------------------------------------------


def test_the_same_id_comes_again_until_it_is_taken_and_each_attempt_is_on_record(office, receiver: Receiver):
    there = Endpoint(office)
    receiver.answer(500, "down")
    receiver.cut()
    receiver.answer(302, headers={"Location": "http://127.0.0.1/inside"})
    happens(office, 1)
    office.wait(timedelta(hours=1))
    posted = receiver.at("/hook")
    assert len(posted) == 4
    assert len({one.id for one in posted}) == 1
    for one in posted:
        one.verified(there.secret)
    (row,) = there.deliveries()
    assert [one.outcome for one in office.attempts(row)] == [
        "transient",
        "ambiguous",
        "transient",
        "accepted",
    ]
    assert row.state == "sent"
    assert "down" in office.attempts(row)[0].error
    assert there.row.failing_since is None


def test_what_is_no_good_is_tried_three_times(office, receiver: Receiver):
    there = Endpoint(office)
    receiver.always(422, "no such field")
    happens(office, 1)
    office.wait(timedelta(hours=2))
    (row,) = there.deliveries()
    assert (row.state, row.reason, len(receiver.got)) == ("failed", "provider_refused", 3)
    assert "no such field" in there.look().text


def test_it_is_left_alone_for_as_long_as_it_asks(office, receiver: Receiver):
    Endpoint(office)
    receiver.answer(429, headers={"Retry-After": "120"})
    happens(office, 1)
    office.wait(timedelta(seconds=110))
    assert len(receiver.got) == 1
    office.wait(timedelta(seconds=30))
    assert len(receiver.got) == 2


def test_a_preset_is_given_up_at_once_where_it_is_refused(office, receiver: Receiver):
    there = Endpoint(office, "/services/T0/B0/verysecret", format="slack")
    receiver.always(404, "no_service at /services/T0/B0/verysecret")
    happens(office, 1)
    (row,) = there.deliveries()
    assert (row.state, len(receiver.got)) == ("failed", 1)
    (attempt,) = office.attempts(row)
    assert "verysecret" not in f"{attempt.error}{attempt.response}{row.detail}"
    assert "webhook-signature" not in receiver.got[0].headers
    assert receiver.got[0].json["blocks"][0]["type"] == "header"


def test_what_is_gone_is_switched_off_at_once_and_the_administrators_hear_once(office, receiver: Receiver):
    there = Endpoint(office, name="Night desk")
    receiver.always(410)
    happens(office, 1)
    assert there.row.disabled_why == "gone"
    office.inbox("ada").has("endpoint_off", "Night desk")
    office.mail("ada@example.com").says("Night desk", "gone")
    happens(office, 2)
    assert len(receiver.got) == 1
    assert len(office.events("endpoint_off")) == 1
    assert "it is gone for good" in there.look().text
    receiver.reset()
    there.act("resume")
    happens(office, 3)
    (posted,) = receiver.got
    assert "Wiper blades 3" in f"{posted.json}", "what was missed is not sent later"
    assert there.row.disabled_at is None


def test_after_five_days_of_nothing_but_failures_it_is_switched_off(office, receiver: Receiver):
    there = Endpoint(office, name="Night desk")
    receiver.always(500, "still down")
    for day in range(6):
        happens(office, day)
        if day < 5:
            assert there.row.disabled_at is None, day
        office.jump(timedelta(days=1))
    assert there.row.disabled_why == "failing"
    office.mail("ada@example.com").says("Night desk", "still down")
    assert len(office.events("endpoint_off")) == 1


def test_one_success_begins_the_five_days_anew(office, receiver: Receiver):
    there = Endpoint(office)
    receiver.always(500)
    for day in range(8):
        if day == 3:
            receiver.always(200)
        happens(office, day)
        if day == 3:
            office.wait(timedelta(minutes=30))  # it had been left alone for a while
            assert there.row.good_at is not None
            receiver.always(500)
        office.jump(timedelta(days=1))
        assert there.row.disabled_at is None, day


def test_one_that_hangs_keeps_no_other_from_its_messages(office, receiver: Receiver):
    """All of the other's arrive while the one that hangs has the few places that it may have, and no more."""
    stuck, well = Endpoint(office, "/stuck"), Endpoint(office, "/well")
    receiver.hang(path="/stuck")
    receiver.always(200, path="/well")
    for number in range(8):
        happens(office, number, settle=False)
    # what finds no place is due again in a moment, and nobody is woken for that
    at_work = threading.Thread(target=office.world.settle)
    at_work.start()
    try:
        eventually(lambda: len(receiver.at("/well")) == 8)
        assert len(receiver.at("/stuck")) <= 4
    finally:
        receiver.always(200, path="/stuck")
        receiver.release()
        at_work.join(60)
    office.wait(timedelta(minutes=10))
    for one in (stuck, well):
        assert {row.state for row in one.deliveries()} == {"sent"}
        assert len(one.deliveries()) == 8


def test_one_that_fails_is_left_alone_by_itself(office, receiver: Receiver):
    bad, good = Endpoint(office, "/bad"), Endpoint(office, "/good")
    receiver.always(503, path="/bad")
    receiver.always(200, path="/good")
    for number in range(14):
        happens(office, number, settle=False)
        office.world.settle()  # what is left alone is due again in a moment, and nobody is woken for that
    assert len(receiver.at("/bad")) < 14, "after a few failures it is left alone"
    assert {one.state for one in bad.deliveries()} == {"queued"}
    assert {one.state for one in good.deliveries()} == {"sent"}
    paused = office.build.all("SELECT name FROM provider_account WHERE paused_until IS NOT NULL")
    assert [one.name for one in paused] == [bad.id]


# --- what administrators do ------------------------------------------------------------------------------------------


def test_a_test_is_posted_also_while_it_is_paused_and_its_answer_is_shown(office, receiver: Receiver):
    there = Endpoint(office)
    there.act("pause")
    happens(office, 1)
    assert receiver.got == []
    receiver.answer(200, "hello yourself")
    there.act("test")
    (posted,) = receiver.got
    assert posted.verified(there.secret)["data"]["test"] is True
    assert "200 hello yourself" in there.look().text


def test_while_a_secret_is_changed_both_sign(office, receiver: Receiver):
    there = Endpoint(office)
    new = secret_on(there.act("secret"))
    assert new
    assert new != there.secret
    assert new not in there.look().html, "it is shown once"
    there.act("test")
    (posted,) = receiver.got
    posted.verified(new)
    posted.verified(there.secret)
    assert there.act("pause").status == 200
    office.jump(timedelta(hours=25))
    there.act("test")
    receiver.got[-1].verified(new)
    with pytest.raises(Exception, match="signature"):
        receiver.got[-1].verified(there.secret)


def test_what_waits_for_one_that_is_removed_is_not_posted_and_its_secrets_are_forgotten(
    office, receiver: Receiver
):
    there = Endpoint(office)
    receiver.answer(500)
    happens(office, 1)
    there.act("remove")
    office.wait(timedelta(minutes=5))
    assert len(receiver.got) == 1
    (row,) = there.deliveries()
    assert (row.state, row.reason) == ("skipped", "endpoint_off")
    assert (there.row.url, there.row.secret) == (None, None)
    assert there.look().status == 404


@pytest.mark.proves("C7")
def test_the_record_says_what_was_done_and_nothing_that_is_secret(office, receiver: Receiver):
    there = Endpoint(office, "/services/verysecret", name="Night desk")
    office.browser("ada").submit(
        there.url, there.url, name="Day desk", url="https://other.example.com/verysecret", least_priority="2"
    )
    for action in ("pause", "resume", "secret", "remove"):
        there.act(action)
    lines = office.build.all("SELECT * FROM audit WHERE what LIKE 'endpoint.%' ORDER BY id")
    assert [one.what.partition(".")[2] for one in lines] == [
        "added", "changed", "paused", "resumed", "secret", "removed",
    ]  # fmt: skip
    said = office.browser("ada").get("/record?kind=endpoint").text
    assert "Endpoint added: “Night desk”, there.example.com." in said
    assert "It is at other.example.com now." in said
    everything = f"{lines}{said}"
    assert "verysecret" not in everything
    assert "whsec_" not in everything


def test_the_address_is_kept_encrypted_and_shown_nowhere(office, receiver: Receiver):
    there = Endpoint(office, "/services/verysecret", format="slack")
    happens(office, 1)
    assert receiver.at("/services/verysecret")
    pages = [there.look(), office.browser("ada").get("/endpoints"), office.browser("ada").get("/outbox")]
    assert not any("verysecret" in page.html for page in pages)
    assert b"verysecret" not in there.row.url
    kept = office.build.all("SELECT * FROM delivery") + office.build.all("SELECT * FROM attempt")
    assert "verysecret" not in str(kept)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://there.example.com/", "https://"),
        ("https://user:word@there.example.com/", "without a user name"),
        ("https://127.0.0.1/", "inside a private network"),
        ("https://2130706433/", "inside a private network"),
        ("https://0x7f.1/", "inside a private network"),
        ("https://[::ffff:169.254.169.254]/", "inside a private network"),
        ("https://169.254.169.254/latest", "inside a private network"),
        ("https://there.example.com/" + "a" * 2048, "longer than"),
        ("https://there.example.com/a b", "without spaces"),
        ("", "https://"),
    ],
)
@pytest.mark.proves("S7")
def test_an_address_that_cannot_be_is_said_beside_its_field_and_what_was_typed_stays(office, url, says):
    page = office.browser("ada").submit("/endpoints/new", "/endpoints", name="Night desk", url=url)
    assert page.status == 422
    assert says in page.text
    assert page.form("/endpoints").fields["name"] == ["Night desk"]
    assert office.build.all("SELECT 1 FROM endpoint") == []


def test_no_category_and_no_name_are_said_beside_their_fields(office):
    page = office.browser("ada").submit(
        "/endpoints/new", "/endpoints", name=" ", url="https://there.example.com/", category=None
    )
    assert page.status == 422
    assert "Choose at least one." in page.text
    assert "Say in a few words" in page.text

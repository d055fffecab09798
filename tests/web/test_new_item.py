"""Making work here: who may, what the form asks for, and what is kept when something is wrong (B1, D1, E1, F4)."""

from __future__ import annotations

import re

import pytest

from tests.web.conftest import DANA_MAIL


def rows(shop, kind):
    return shop.hub.build.all("SELECT * FROM work_item WHERE kind = :kind ORDER BY number", kind=kind)


@pytest.mark.proves("F4")
def test_each_is_offered_what_they_may_make(shop):
    offered = lambda page: sorted(link for link in page.links if link.startswith("/new/"))  # noqa: E731
    assert offered(shop.alice.get("/work")) == [
        "/new/booking",
        "/new/maintenance",
        "/new/permit",
        "/new/work_order",
    ]
    assert offered(shop.bob.get("/work")) == ["/new/permit"]
    shop.hub.person("dora", "contact", name="Dora Lane", signs_in=True)
    assert offered(shop.hub.browser("dora").get("/work")) == []
    for browser, kind in (
        (shop.bob, "work_order"),
        (shop.hub.browser("dora"), "permit"),
        (shop.alice, "repair"),
    ):
        assert browser.get(f"/new/{kind}").status == 404
        token = browser.get("/inbox").form("/read-all").fields["csrf_token"][0]
        assert browser.post(f"/new/{kind}", csrf_token=token, work="x").status == 404
    assert shop.alice.get("/new/nonsense").status == 404


@pytest.mark.proves("B1")
def test_the_office_makes_a_work_order_and_its_technician_is_told(shop):
    bob = shop.hub.people["bob"]
    page = shop.alice.submit(
        "/new/work_order", "/new/work_order", work="Replace the pump", urgency="urgent", technician=bob.id
    )
    assert re.search(r"Made: WO-\d+\.", page.text) and "Work order made: open" in page.text
    row = rows(shop, "work_order")[0]
    assert (row.title, row.status, row.data["urgency"]) == ("Replace the pump", "open", "urgent")
    shop.hub.settle()
    shop.hub.inbox("bob").has("work_order_urgent")


@pytest.mark.proves("D1")
def test_a_technician_makes_a_permit_of_their_own(shop):
    page = shop.bob.submit(
        "/new/permit",
        "/new/permit",
        type="Hot work",
        work="Weld the rail",
        planned_start="2030-03-01T08:00",
        planned_end="2030-03-01T16:00",
        isolation_points="Breaker 14\n\n  Valve V-3 \n",
    )
    assert "Permit made: being written" in page.text
    assert "Breaker 14: not verified" in page.text and "Valve V-3: not verified" in page.text
    assert "Bob Marsh (you)" in page.text and page.offers("/submit")


@pytest.mark.proves("D1")
def test_a_technician_makes_none_in_anothers_name(shop):
    tess = shop.hub.people["tess"].id
    page = shop.bob.submit("/new/permit", "/new/permit", type="Hot work", work="Weld", creator=tess)
    assert page.status == 409 and "Only the office makes a permit for somebody else." in page.text
    assert page.form("/new/permit").fields["work"] == ["Weld"]
    assert rows(shop, "permit") == []


def test_what_is_missing_is_said_beside_its_field_and_what_was_typed_stays(shop):
    page = shop.alice.submit("/new/booking", "/new/booking", resource="Studio 3", end="2030-03-01T16:00")
    assert page.status == 422
    for name in ("start", "guest"):
        assert f'id="create-{name}-error"' in page.html
    assert page.form("/new/booking").fields["resource"] == ["Studio 3"]
    assert page.form("/new/booking").fields["end"] == ["2030-03-01T16:00"]
    dana = shop.hub.people["dana"].id
    times = {"start": "2030-03-01T17:00"}
    refused = shop.alice.submit(page, "/new/booking", guest=dana, **times)
    assert refused.status == 409 and "A booking ends after it starts." in refused.text
    done = shop.alice.submit(refused, "/new/booking", start="2030-03-01T14:00")
    assert done.status == 200 and "Dana Whitfield" in done.text
    assert [row.status for row in rows(shop, "booking")] == ["booked"]


@pytest.mark.proves("C5")
def test_people_of_another_office_cannot_be_named(shop):
    cleo = shop.other.people["cleo"].id
    page = shop.alice.submit("/new/work_order", "/new/work_order", work="Pump", technician=cleo)
    assert page.status == 422 and "choose a person from the list" in page.text
    assert rows(shop, "work_order") == []


def test_where_there_are_too_many_for_a_list_people_are_named(shop):
    organisation = shop.hub.organisation.id
    for number in range(205):
        shop.hub.build.insert(
            "person", organisation_id=organisation, name=f"Guest {number:03}", role="contact"
        )
    shop.hub.build.insert("person", organisation_id=organisation, name="Guest 001", role="contact")
    times = {"resource": "Studio 3", "start": "2030-03-01T14:00", "end": "2030-03-01T16:00"}
    page = shop.alice.submit("/new/booking", "/new/booking", guest="Nobody At All", **times)
    assert page.status == 422 and "nobody is called so" in page.text
    assert page.form("/new/booking").fields["guest"] == ["Nobody At All"]
    page = shop.alice.submit(page, "/new/booking", guest="guest 001")
    assert page.status == 422 and "several people are called so" in page.text
    done = shop.alice.submit(page, "/new/booking", guest=DANA_MAIL.upper())
    assert done.status == 200 and "Dana Whitfield" in done.text

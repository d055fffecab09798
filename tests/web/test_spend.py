"""What SMS cost: the page, the budget on it, the export, and what an announcement says before it is sent."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest

from notify_app.web.spreadsheet import sheet
from tests.hub import Hub
from tests.pages import Page

pytestmark = pytest.mark.proves("A9", "A14", "C7")


@pytest.fixture
def office(hub: Hub) -> Hub:
    """Ada administers, Max is in the office; it is the tenth of June in Berlin."""
    hub.build.run("UPDATE organisation SET zone = 'Europe/Berlin' WHERE id = :id", id=hub.organisation.id)
    hub.person("ada", "administrator", name="Ada Quist", email="ada@example.com")
    hub.office("max", name="Max Vane")
    hub.at("2026-06-11T00:00", "Europe/Berlin")
    return hub


def spent(hub: Hub, day: str, cost: str, *, country: str = "US", event: str = "general", n: int = 10) -> None:
    hub.build.insert(
        "sms_spent",
        organisation_id=hub.organisation.id,
        day=day,
        country=country,
        event=event,
        messages=n,
        segments=2 * n,
        cost_usd=Decimal(cost),
    )


def save(hub: Hub, **fields: str) -> Page:
    return hub.browser("ada").submit("/spend", "/spend/budget", **fields)


def test_a_page_without_anything_says_what_to_do(office: Hub) -> None:
    page = office.browser("ada").get("/spend")
    assert "No SMS in this month" in page.text
    assert "Set one, and you are warned before it is used up." in page.text
    assert "Nobody has set one yet." in page.text
    assert "Export" not in page.text


def test_a_month_is_shown_with_its_budget_and_the_forecast_to_its_end(office: Hub) -> None:
    spent(office, "2026-06-01", "20.00", event="repair_assigned")
    spent(office, "2026-06-10", "30.00", country="DE")
    spent(office, "2026-05-31", "7.00")
    save(office, month="200", day="", reserve="15")
    page = office.browser("max").get("/spend")
    assert "$50.00 of $200.00 (25 %)" in page.text
    assert "$30.00 of it is kept for what is urgent" in page.text
    assert "20 messages, 40 segments" in page.text
    found = re.search(r"about \$(\S+) by the month’s end", page.text)
    assert found
    assert abs(float(found[1]) - 150) < 0.1, "ten days of thirty have passed, and a moment"
    assert "Germany (+49)" in page.text
    assert "United States (+1)" in page.text
    assert not page.offers("/spend/budget"), "the office looks, an administrator sets"
    may = office.browser("max").get("/spend?month=2026-05")
    assert "$7.00" in may.text
    assert "Germany" not in may.text
    assert "by the month’s end" not in may.text
    for odd in ("2026-13", "x", "0000-00", "9999-12"):
        assert "June 2026" in office.browser("max").get(f"/spend?month={odd}").text


def test_the_budget_is_set_with_its_units_and_who_did_stands_in_the_record(office: Hub) -> None:
    save(office, month="$1,250.50", day="60", reserve="20")
    row = office.build.one("SELECT month_usd, day_usd, reserve FROM sms_budget")
    assert tuple(row) == (Decimal("1250.50"), Decimal("60.00"), 20)
    save(office, month="100", day="", reserve="20")
    page = office.browser("ada").get("/spend")
    assert "Budget for SMS set: $100.00 a month, no limit a day." in page.text
    assert "Budget for SMS set: $1250.50 a month, $60.00 a day, 20 % kept for what is urgent." in page.text
    assert "$100.00 a month" in office.browser("ada").get("/record?kind=office").text
    save(office, month="100", day="", reserve="20")
    lines = office.build.all("SELECT what FROM audit WHERE what = 'office.budget'")
    assert len(lines) == 2, "what changes nothing is no change"
    save(office, do="remove", month="")
    assert office.build.all("SELECT * FROM sms_budget") == []
    assert "Budget for SMS taken away." in office.browser("ada").get("/spend").text


@pytest.mark.parametrize(
    ("field", "typed", "says"),
    [
        ("month", "", "Write an amount in US dollars"),
        ("month", "a lot", "Write an amount in US dollars"),
        ("month", "-1", "Write an amount in US dollars"),
        ("month", "NaN", "Write an amount in US dollars"),
        ("month", "1e9", "Write an amount in US dollars"),
        ("month", "10.005", "two decimals at most"),
        ("day", "101", "more than the whole month"),
        ("reserve", "51", "Use a whole number from 0 to 50."),
        ("reserve", "", "Use a whole number from 0 to 50."),
        ("reserve", "9" * 5000, "Use a whole number from 0 to 50."),
    ],
)
def test_what_cannot_be_a_budget_is_said_beside_its_field_and_kept(
    office: Hub, field: str, typed: str, says: str
) -> None:
    page = save(office, **({"month": "100", "day": "", "reserve": "15"} | {field: typed}))
    assert page.status == 422
    assert says in page.text
    assert f'value="{typed}"' in page.html
    assert office.build.all("SELECT * FROM sms_budget") == []


def test_the_export_holds_every_row_of_the_month_and_no_formula(office: Hub) -> None:
    spent(office, "2026-06-01", "0.00645", event="=HYPERLINK(1)", n=1)
    spent(office, "2026-05-01", "9")
    response = office.browser("max").client.get("/spend.csv", base_url="https://hub.example.com")
    assert response.mimetype == "text/csv"
    assert 'filename="sms-2026-06.csv"' in response.headers["Content-Disposition"]
    head, row = csv.reader(io.StringIO(response.get_data(as_text=True)))
    assert head == ["day", "country", "event", "messages", "segments", "estimated_usd"]
    assert row == ["2026-06-01", "US", "'=HYPERLINK(1)", "1", "2", "0.00645"]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_text_that_begins_like_a_formula_is_a_text(begins: str) -> None:
    (row,) = csv.reader(io.StringIO(sheet(["a"], [[f"{begins}1"]]).split("\r\n", 1)[1], newline=""))
    assert row == [f"'{begins}1"]


def test_a_number_stays_a_number() -> None:
    assert sheet(["a"], [[Decimal("-1.5"), 3]]) == "a\r\n-1.5,3\r\n"


def test_whose_messages_cost_most_is_shown_when_it_is_asked_for(office: Hub) -> None:
    office.person("marco", name="Marco Reyes", sms="+12025550102")
    words = {"headline": "Hello", "known": []}
    data = {"template": "general", "recipients": [{"id": "marco"}], "context": words, "priority": "high"}
    office.post("notification.send", data)
    office.forget()
    assert "Marco Reyes" not in office.browser("max").get("/spend").text
    page = office.browser("max").get("/spend?people=1")
    assert "Marco Reyes" in page.text
    assert "<$0.01" in page.text


# --- before something is sent ----------------------------------------------------------------------------------------


@pytest.fixture
def crowd(office: Hub) -> Hub:
    for number in range(20):
        office.person(f"tech{number}", sms=f"+49151123450{number:02d}")
    return office


def look(hub: Hub, do: str = "preview", page: Any = "/compose", **more: Any) -> Page:
    words = {"message": "We close at noon.", "to": ["role:technician"], "priority": "high", "do": do}
    return hub.browser("max").submit(page, "/compose", **(words | more))


def test_an_announcement_says_what_it_takes_of_the_budget(crowd: Hub) -> None:
    assert "budget" not in look(crowd).text.lower()
    save(crowd, month="10", day="", reserve="15")
    assert "Its SMS cost about $1.90 of the $8.50 that is left in the budget." in look(crowd).text


def test_one_that_costs_more_than_is_left_warns_and_is_confirmed(crowd: Hub) -> None:
    save(crowd, month="1", day="", reserve="0")
    page = look(crowd)
    assert "The budget for SMS does not suffice" in page.text
    assert "Its SMS cost about $1.90, and $1.00 is left." in page.text
    refused = look(crowd, "send", page)
    assert refused.status == 422
    assert "Confirm that it is to go to all of them." in refused.text
    sent = look(crowd, "send", refused, confirm="1")
    assert sent.status == 200
    crowd.settle()
    states = crowd.build.all(
        "SELECT state, reason, count(*) AS n FROM delivery WHERE channel = 'sms' GROUP BY 1, 2 ORDER BY 1"
    )
    assert [tuple(row) for row in states] == [("queued", "budget", 10), ("sent", None, 10)]
    crowd.forget()


def test_an_urgent_one_warns_and_leaves(crowd: Hub) -> None:
    save(crowd, month="1", day="", reserve="0")
    page = look(crowd, priority="urgent")
    assert "It is urgent, so all of it leaves." in page.text


def test_settings_of_another_office_are_not_touched(office: Hub) -> None:
    other = office.another("elsewhere")
    other.person("zoe", "administrator")
    save(office, month="100", day="", reserve="15")
    assert "There is no budget" in other.browser("zoe").get("/spend").text
    assert json.dumps(
        [str(row.organisation_id) for row in office.build.all("SELECT organisation_id FROM sms_budget")]
    ) == json.dumps([str(office.organisation.id)])


def test_the_dashboard_says_how_the_budget_stands_and_leads_there(office: Hub) -> None:
    assert "SMS: This month" not in office.browser("max").get("/dashboard").text
    save(office, month="100", day="", reserve="15")
    spent(office, "2026-06-02", "70.00")
    page = office.browser("max").get("/dashboard")
    assert "SMS: This month $70.00 of $100.00: 80 % of what is not urgent may cost is spent" in page.text
    assert 'href="/spend"' in page.html

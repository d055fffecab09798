"""Pictures of every page: `python -m tests.browser.screenshots` writes
build/screenshots/<page>-<phone|desktop>-<light|dark>.png, and the two pictures of the README.

The pages that tell the demo's story are taken of the demo's offices; all the others that the browser tests know
(`every_page.PLACES`) of an office that has something on each. With names of pages as arguments only those are taken, and
the README's pictures stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from playwright.sync_api import Browser, Page
from sqlalchemy import text

from tests.browser.chrome import SCREENS, Visits, chromium, executable
from tests.browser.every_page import PLACES, Place
from tests.browser.furniture import furnished
from tests.browser.office import Office
from tests.browser.site import ROOT, Site
from tests.builders import Person

PICTURES = ROOT / "build" / "screenshots"
README = ROOT / "docs" / "images"
SCHEMES = ("light", "dark")


class Demo:
    """The demo's repair shop: its people by first name, and where the pages are that are worth a picture."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def person(self, first_name: str) -> Person:
        row = self._one(
            "SELECT p.*, a.email FROM person p JOIN account a ON a.id = p.account_id WHERE p.name LIKE :like",
            like=f"{first_name} %",
        )
        return Person(row.id, first_name, row.name, row.role, row.organisation_id, row.email, row.account_id)

    def newest(self, first_name: str, event: str) -> str:
        """The page of the newest notification of this event to this person."""
        row = self._one(
            "SELECT id FROM notification WHERE person_id = :person AND name = :event ORDER BY id DESC LIMIT 1",
            person=self.person(first_name).id,
            event=event,
        )
        return f"/inbox/{row.id}"

    def repair(self, number: str, page: str = "work") -> str:
        row = self._one("SELECT id FROM work_item WHERE number = :number", number=number)
        return f"/{page}/{row.id}"

    def message(self, channel: str, like: str) -> str:
        """The outbox with the newest message by this channel that says so."""
        row = self._one(
            "SELECT d.id FROM delivery d JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id "
            "JOIN organisation o ON o.id = d.organisation_id AND o.slug = 'evergreen' "
            "WHERE d.channel = :channel AND c.body::text LIKE :like ORDER BY d.created_at DESC LIMIT 1",
            channel=channel,
            like=f"%{like}%",
        )
        return f"/outbox?message={row.id}"

    def private_link(self) -> str:
        row = self._one(
            "SELECT c.body->>'text' AS said FROM delivery d "
            "JOIN content c ON c.organisation_id = d.organisation_id AND c.id = d.content_id "
            "JOIN delivery_item i ON i.organisation_id = d.organisation_id AND i.delivery_id = d.id "
            "JOIN notification n ON n.organisation_id = i.organisation_id AND n.id = i.notification_id "
            "JOIN work_item w ON w.organisation_id = n.organisation_id AND w.id = n.item_id "
            "WHERE d.channel = 'email' AND c.body->>'text' LIKE '%/l/%' AND w.status = 'pending' "
            "ORDER BY d.created_at DESC LIMIT 1"
        )
        return "/l/" + str(row.said).split("/l/")[1].split()[0].split("?")[0].rstrip(".,)")

    def _one(self, statement: str, **values: Any) -> Any:
        with self._site.owner.connect() as conn:
            return conn.execute(text(statement), values).first()


@dataclass(frozen=True)
class Picture:
    """One page: who looks ('' is nobody), where, and what is done before the picture is taken."""

    name: str
    who: str
    path: Callable[[Demo], str]
    before: Callable[[Page], object] = lambda _page: None


def at(path: str) -> Callable[[Demo], str]:
    """A page whose address is always the same."""
    return lambda _demo: path


def open_deny(page: Page) -> None:
    page.locator("#action-deny summary").click()


def choose_two(page: Page) -> None:
    for box in page.locator("input[name=item]").all()[:2]:
        box.check()


def open_why(page: Page) -> None:
    page.locator(".moment-why summary").first.click()


def make_a_key(page: Page) -> None:
    page.locator("#name").fill("Night report")
    page.locator("#person").select_option(index=1)
    page.get_by_role("button", name="Make the key").click()
    page.locator(".key-token").wait_for()


PAGES = (
    Picture("sign-in", "", at("/sign-in")),
    Picture("dashboard", "Alice", at("/dashboard")),
    Picture("inbox", "Marco", at("/inbox")),
    Picture("inbox-office", "Alice", at("/inbox")),
    Picture("inbox-caught-up", "Dana", at("/inbox?show=unread")),
    Picture("notification", "Marco", lambda demo: demo.newest("Marco", "repair_assigned")),
    Picture("notification-office", "Alice", lambda demo: demo.newest("Marco", "repair_approved")),
    Picture("work", "Alice", at("/work"), choose_two),
    Picture("work-nothing-fits", "Alice", at("/work?q=nobody+has+this")),
    Picture("work-open", "Alice", at("/work?kind=repair&state=waits")),
    Picture("new-work", "Alice", at("/work"), lambda page: page.locator(".new-menu summary").click()),
    Picture("new-work-order", "Alice", at("/new/work_order")),
    Picture("new-permit", "Marco", at("/new/permit")),
    Picture("jobs", "Marco", at("/work")),
    Picture("item", "Alice", lambda demo: demo.repair("R-1019"), open_why),
    Picture("item-pending", "Alice", lambda demo: demo.repair("R-1021"), open_deny),
    Picture("job", "Priya", lambda demo: demo.repair("R-1019", "jobs")),
    Picture("repair", "Dana", at("/work")),
    Picture("preferences", "Marco", at("/preferences")),
    Picture("keys", "Henry", at("/keys"), make_a_key),
    Picture("outbox", "Alice", at("/outbox")),
    Picture("outbox-email", "Alice", lambda demo: demo.message("email", "/l/")),
    Picture("outbox-sms", "Alice", lambda demo: demo.message("sms", "Evergreen")),
    Picture("private-link", "", lambda demo: demo.private_link()),
    Picture("private-link-gone", "", at("/l/nothing-that-was-ever-made")),
    Picture("error", "Marco", at("/inbox/0199a3c4-7b1e-7cc3-8f00-1d2f3a4b5c6d")),
)


def take(visits: Visits, demo: Demo, pages: Iterable[Picture]) -> None:
    """All pictures of these pages."""
    for picture, screen, scheme in product(pages, SCREENS, SCHEMES):
        who = demo.person(picture.who) if picture.who else None
        page = visits(
            who, picture.path(demo), screen=screen, scheme=scheme, scale=2 if screen == "phone" else 1
        )
        calm(page)
        picture.before(page)
        unroll(page)
        page.screenshot(path=PICTURES / f"{picture.name}-{screen}-{scheme}.png")
        visits.close()


def take_places(visits: Visits, office: Office, places: Iterable[Place]) -> None:
    """The same for the pages of the furnished office."""
    for place, screen, scheme in product(places, SCREENS, SCHEMES):
        who = office.people[place.who] if place.who else None
        page = visits(
            who, place.path(office), screen=screen, scheme=scheme, scale=2 if screen == "phone" else 1
        )
        calm(page)
        place.prepare(page)
        unroll(page)
        page.screenshot(path=PICTURES / f"{place.name}-{screen}-{scheme}.png")
        visits.close()


def for_readme(visits: Visits, demo: Demo) -> None:
    """What a newcomer sees first."""
    for name, who, screen in (("dashboard", "Alice", "desktop"), ("inbox", "Marco", "phone")):
        page = visits(demo.person(who), f"/{name}", screen=screen)
        calm(page)
        page.screenshot(path=README / f"{name}.png")
        visits.close()


def calm(page: Page) -> None:
    """Wait until nothing of the page is under way but its stream."""
    page.wait_for_load_state("load")
    if page.locator("[data-light]").count():
        page.locator("[data-light][data-state=live]").wait_for()


def unroll(page: Page) -> None:
    """Make the screen as high as the page, so that bars stand at its ends and not in the middle of the picture."""
    size = page.viewport_size
    assert size
    for _ in range(2):  # some space grows with the screen
        height = max(size["height"], page.evaluate("document.documentElement.scrollHeight"))
        page.set_viewport_size({"width": size["width"], "height": height})
    page.evaluate("scrollTo(0, 0)")


def main(names: list[str]) -> int:
    """Take them; 1 where a name is unknown, there is no browser, or a page complained."""
    told = {picture.name for picture in PAGES}
    unknown = set(names) - told - {place.name for place in PLACES}
    if unknown or executable() is None:
        print(
            f"No such page: {', '.join(sorted(unknown))}" if unknown else "Chromium is not installed.",
            file=sys.stderr,
        )
        return 1
    for directory in (PICTURES, README):
        directory.mkdir(parents=True, exist_ok=True)
    problems: list[str] = []
    with chromium() as browser:
        pages = [one for one in PAGES if not names or one.name in names]
        if pages:
            with Site(demo=True) as site:
                visits, demo = visits_of(browser, site), Demo(site)
                take(visits, demo, pages)
                if not names:
                    for_readme(visits, demo)
                problems += visits.watch.problems()
        places = [one for one in PLACES if one.name not in told and (not names or one.name in names)]
        if places:
            with Site() as site:
                visits = visits_of(browser, site)
                take_places(visits, furnished(site), places)
                problems += visits.watch.problems()
    print(f"Pictures are in {PICTURES.relative_to(ROOT)}.", *problems, sep="\n")
    return 1 if problems else 0


def visits_of(browser: Browser, site: Site) -> Visits:
    """Visits to the site, some of whose pages are meant not to be there."""
    visits = Visits(browser, site)
    visits.watch.allow("status of 4")
    return visits


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A stream is behind or exact, never wrong: whenever a change is committed, announced, lost or heard."""

from __future__ import annotations

import random

import pytest

from notify_app.live import catch_up
from tests.streams.page import Page


def test_a_line_that_commits_while_the_counters_are_read_comes_once(wire, world, shop):
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.bring()
    wire.read(page)
    wire.cut(page)
    wire.open(marco, page)
    wire.between.append(lambda: (world.put(marco.people[0], "Meanwhile"), wire.hear()))
    wire.bring()
    wire.read(page)
    assert page.events == ["snapshot", "notification"]
    assert page.lines == world.inbox(marco)


def test_a_line_that_commits_while_the_lines_are_read_comes_once(wire, world, shop):
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.settle(page)
    world.put(marco.people[0], "Lost")
    world.air.clear()
    wire.hub.compare()
    wire.between += [lambda: None, lambda: (world.put(marco.people[0], "Meanwhile"), wire.hear())]
    wire.bring()
    wire.read(page)
    assert [one["title"] for one in page.told] == ["Lost", "Meanwhile"]
    assert [one["unread"] for one in page.told] == [1, 2]


def test_a_line_that_commits_while_a_snapshot_is_read_comes_once(wire, world, shop):
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.between.append(lambda: (world.put(marco.people[0], "Meanwhile"), wire.hear()))
    wire.bring()
    wire.read(page)
    assert page.events == ["snapshot", "notification"]
    assert page.unread == 1


def test_an_announcement_that_comes_again_during_the_next_look_is_told_once(wire, world, shop):
    """Who was marked while it was read is not settled by that look: else both the look and the announcement move it."""
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.between.append(
        lambda: (world.put(marco.people[0], "Meanwhile"), again.extend(world.air), wire.hear())
    )
    again: list[bytes] = []
    wire.hub.bring()
    wire.between += [lambda: None, lambda: wire.hub.hear(again[0])]
    wire.bring()
    wire.read(page)
    assert page.events == ["snapshot", "notification"]


def test_what_was_announced_before_it_could_be_read_is_not_forgotten(wire, world, shop):
    """The announcement is heard before the stream is looked after for the first time."""
    marco = world.member("marco", shop)
    page = wire.open(marco)
    world.put(marco.people[0], "Early")
    wire.hear()
    wire.bring()
    wire.read(page)
    assert page.events == ["snapshot"]
    assert page.lines == world.inbox(marco)


def test_two_tabs_of_one_person_are_each_told_once_wherever_they_were(wire, world, shop):
    marco = world.member("marco", shop)
    first = wire.open(marco)
    wire.settle(first)
    second = wire.open(marco)
    world.put(marco.people[0], "One", "Two")
    wire.hear()
    wire.settle(first, second)
    assert first.events == ["snapshot", "notification", "notification"]
    assert second.events == ["snapshot"]
    assert first.lines == second.lines == world.inbox(marco)
    assert first.unread == second.unread == 2


def test_the_people_of_one_account_share_a_stream_and_its_count(wire, world, shop):
    lakeside = world.organisation("lakeside")
    ana = world.member("ana", shop, lakeside)
    here, there = ana.people
    page = wire.open(ana)
    wire.settle(page)
    world.put(here, "Here")
    world.spread([there], "There")
    wire.hear()
    wire.read(page)
    assert [(one["title"], one["unread"], one["organisation"]) for one in page.told] == [
        ("Here", 1, shop.name),
        ("There", 2, lakeside.name),
    ]
    wire.cut(page)
    world.put(there, "While away")
    world.air.clear()
    wire.open(ana, page)
    wire.settle(page)
    assert page.told[-1]["title"] == "While away"
    assert (page.unread, page.lines) == (3, world.inbox(ana))


@pytest.mark.parametrize("gap", [False, True])
def test_a_message_to_many_is_told_as_a_message_to_one_would_be(wire, world, shop, gap):
    """By announcement, and by the database after a gap: the page cannot tell the difference."""
    marco, priya = world.member("marco", shop), world.member("priya", shop)
    one, many = wire.open(marco), wire.open(priya)
    wire.settle(one, many)
    world.put(marco.people[0], "We close at noon")
    wire.hear()
    world.spread([priya.people[0]], "We close at noon")
    if gap:
        world.air.clear()
    wire.settle(one, many)
    (by_frame,), (by_spread,) = one.told, many.told
    own = ("id", "url", "created_at") if gap else ("id", "url")
    assert by_spread.keys() == by_frame.keys()
    assert {name: value for name, value in by_spread.items() if name not in own} == {
        name: value for name, value in by_frame.items() if name not in own
    }
    assert by_spread["url"] == f"/inbox/{by_spread['id']}"
    assert by_spread["category_title"] == "Assignments"
    assert many.position.endswith(".1")


def test_many_who_missed_something_are_read_by_a_few_statements(wire, world, shop):
    members = [world.member(f"m{number}", shop) for number in range(60)]
    pages = [wire.open(one) for one in members]
    snapshots = wire.asked(wire.bring)
    assert len(snapshots) == len(pages) / catch_up.FRESH_AT_ONCE
    wire.read(*pages)
    world.spread([one.people[0] for one in members], "Lost")
    world.air.clear()
    world.spread([one.people[0] for one in members], "Heard")
    wire.hear()
    assert len(wire.asked(wire.bring)) == 2, "counters, and the lines of those who are behind"
    wire.read(*pages)
    for member, page in zip(members, pages, strict=True):
        assert [one["title"] for one in page.told] == ["Lost", "Heard"]
        assert page.lines == world.inbox(member)


def test_streams_that_come_back_and_have_missed_nothing_cost_one_statement(wire, world, shop):
    members = [world.member(f"m{number}", shop) for number in range(50)]
    pages = [wire.open(one) for one in members]
    wire.settle(*pages)
    for page in pages:
        wire.cut(page)
    for member, page in zip(members, pages, strict=True):
        wire.open(member, page)
    assert len(wire.asked(wire.bring)) == 1
    wire.read(*pages)
    assert all(page.events == ["snapshot"] for page in pages)


def test_who_breaks_off_in_the_middle_of_what_it_missed_is_still_told_of_every_line(wire, world, shop):
    """The first line changed last, so its change is told last, and the connection breaks before."""
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.settle(page)
    first, _ = world.put(marco.people[0], "First", "Second")
    world.mark(marco.people[0], "read", [first])
    world.air.clear()
    wire.hub.compare()
    wire.bring()
    frames = wire.waiting(page).split(b"\n\n")
    assert b".3\nevent: " in frames[-2], "the last says that all of it was told"
    for count in range(1, len(frames)):
        half = Page()
        half.read(b"".join(frame + b"\n\n" for frame in frames[:count]))
        wire.open(marco, half)
        wire.bring()
        wire.read(half)
        assert half.lines == world.inbox(marco)


def test_who_missed_too_much_gets_a_fresh_snapshot(wire, world, shop, monkeypatch):
    monkeypatch.setattr(catch_up, "TOO_FAR", 3)
    marco = world.member("marco", shop)
    page = wire.open(marco)
    wire.settle(page)
    world.put(marco.people[0], *(f"Line {number}" for number in range(4)))
    world.air.clear()
    wire.settle(page)
    assert page.events == ["snapshot", "snapshot"]
    assert (page.unread, page.lines) == (4, world.inbox(marco))


def test_a_place_ahead_of_all_that_is_known_is_not_believed(wire, world, shop):
    marco = world.member("marco", shop)
    page = wire.open(marco, Page(position=f"{marco.people[0].id.hex}.7"))
    world.put(marco.people[0], "First")
    wire.hear()
    wire.bring()
    wire.read(page)
    assert (page.events, page.unread) == (["snapshot"], 1)


def test_while_the_database_is_away_nobody_is_forgotten(wire, world, shop, monkeypatch):
    marco = world.member("marco", shop)
    page = wire.open(marco)
    from sqlalchemy.exc import OperationalError

    def away(*_: object) -> None:
        raise OperationalError("away", {}, Exception())

    with monkeypatch.context() as patch:
        patch.setattr(catch_up, "_read", away)
        with pytest.raises(OperationalError):
            wire.hub.bring()
    world.put(marco.people[0], "Meanwhile")
    wire.settle(page)
    assert page.lines == world.inbox(marco)


# --- anything, in any order --------------------------------------------------------------------------------------------


class Storm:
    """Random changes, announcements, looks and broken connections, also in the middle of a look."""

    def __init__(self, wire, world, seed):
        self.wire, self.world, self.rng = wire, world, random.Random(seed)
        shop, lakeside = world.organisation("evergreen"), world.organisation("lakeside")
        self.members = [
            world.member("ana", shop, lakeside),
            world.member("marco", shop),
            world.member("priya", lakeside),
        ]
        self.people = [person for one in self.members for person in one.people]
        self.lines = {person.id: [] for person in self.people}
        self.pages = [(one, wire.open(one)) for one in self.members * 2]

    def step(self):
        chosen = self.rng.choices(
            (self.change, self.spread, self.hear, self.look, self.break_one, self.read),
            weights=(5, 2, 6, 4, 3, 4),
        )[0]
        if self.rng.random() < 0.3:
            self.wire.between.append(self.rng.choice((self.change, self.spread, self.hear)))
        chosen()

    def change(self):
        person = self.rng.choice(self.people)
        known = self.lines[person.id]
        if not known or self.rng.random() < 0.6:
            known += self.world.put(person, *("Line" for _ in range(self.rng.randint(1, 3))))
            return
        chosen = self.rng.sample(known, self.rng.randint(1, min(3, len(known))))
        event = self.rng.choice(("read", "unread", "withdrawn"))
        if event == "withdrawn":
            self.lines[person.id] = [one for one in known if one not in chosen]
        self.world.mark(person, event, chosen)

    def spread(self):
        one = self.rng.choice(self.people)
        those = [other for other in self.people if other.organisation_id == one.organisation_id]
        for person, line in zip(those, self.world.spread(those, "To all"), strict=True):
            self.lines[person.id].append(line)

    def hear(self):
        """Some of what is in the air arrives: in order or not, twice, or never."""
        air = self.world.air
        for _ in range(self.rng.randint(1, 4)):
            if air:
                message = air.pop(0 if self.rng.random() < 0.8 else self.rng.randrange(len(air)))
                for _ in range(self.rng.choice((0, 1, 1, 1, 1, 2))):
                    self.wire.hub.hear(message)

    def look(self):
        if self.rng.random() < 0.3:
            self.wire.hub.compare()
        self.wire.hub.bring()

    def break_one(self):
        member, page = self.rng.choice(self.pages)
        self.wire.cut(page, self.rng.random())
        self.wire.open(member, page)

    def read(self):
        self.wire.read(self.rng.choice(self.pages)[1])


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_every_page_ends_with_the_truth_and_saw_nothing_twice(wire, world, seed):
    storm = Storm(wire, world, seed)
    for _ in range(80):
        storm.step()
    wire.between.clear()
    wire.settle(*(page for _, page in storm.pages))
    for member, page in storm.pages:
        truth = world.inbox(member)
        assert page.lines == truth
        assert page.unread == sum(not read for read in truth.values())

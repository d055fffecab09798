"""Every verb of every kind, by everybody, through every door: pages, API, webhook and private link say the same (A6).

What must come of it is worked out here a second time, by a small oracle that reads the packs' declarations as the
requirements mean them; it shares no line with the machinery. Then the effects are compared across the doors: the same
version, facts, people, events, who was told, and what waits.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask
from sqlalchemy import Engine

from notify_app import domains, process
from notify_app.domains.base import Transition, Verb, WorkKind
from notify_app.domains.fields import Field, FieldKind
from notify_app.ids import new_id
from notify_app.policy.formats import pack
from notify_app.secrets import Secrets
from notify_app.web.words import item_url
from tests.builders import Builder
from tests.channels.stubs import AwsStub, SmtpSink
from tests.conftest import SECRET_KEY
from tests.hub import Hub, World
from tests.pages import Browser
from tests.programs import Program

pytestmark = [pytest.mark.proves("A6", "F4", "C6", "D2"), pytest.mark.xdist_group("doors")]

DONE, REFUSED, FORBIDDEN, NOT_FOUND = "done", "refused", "forbidden", "not found"
OFFICE = ("manager", "administrator")
PAGE = {DONE: 303, REFUSED: 409, FORBIDDEN: 403, NOT_FOUND: 404}
API = {DONE: 200, REFUSED: 409, FORBIDDEN: 403, NOT_FOUND: 404}
LINK = {DONE: 200, REFUSED: 409, FORBIDDEN: 409, NOT_FOUND: 404}
ALSO = "also"  # what is said where a verb wants a line of text

# who has which part in an item; a kind has those of its roles
PARTS = {
    "customer": "dana",
    "resident": "dana",
    "guest": "dana",
    "technician": "tom",
    "creator": "carl",
    "verifier": "vera",
    "approver": "abel",
}
# who else tries: the office, those without a part, graded or not, a contact of the item's who only has its link
OTHERS = ("ada", "max", "tess", "gina", "cleo", "cora", "zoe")
KINDS = list(domains.kinds())
VERBS = [(kind, verb.verb) for kind in KINDS for verb in (*kind.transitions, *kind.verbs)]
VERBS += [(kind, "assign") for kind in KINDS if kind.assignable]


# --- the stage -----------------------------------------------------------------------------------------------------


@dataclass
class Stage:
    """Two offices whose people are signed in and whose programs have keys; made once for all cases."""

    hub: Hub
    other: Hub
    pages: dict[str, tuple[Browser, str]] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)
    numbers: int = 0

    @property
    def build(self) -> Builder:
        return self.hub.build

    def home(self, key: str) -> Hub:
        return self.other if key in self.other.people else self.hub

    def id(self, key: str) -> str:
        return str(self.home(key).people[key].id)

    def page(self, key: str) -> tuple[Browser, str]:
        """The browser of somebody who signs in (or a stranger's), with its form token."""
        if key not in self.pages:
            browser = self.home(key).browser(key) if key else self.hub.stranger()
            place = "/preferences" if key else "/sign-in"
            self.pages[key] = browser, browser.get(place).form(place).fields["csrf_token"][0]
        return self.pages[key]

    def program(self, key: str) -> Program:
        if key not in self.programs:
            self.programs[key] = Program(self.home(key), key)
        return self.programs[key]


@pytest.fixture(scope="module")
def stage(
    app: Flask,
    owner: Engine,
    valkey: redis.Redis,
    smtp: SmtpSink,
    aws: AwsStub,
    _workers: Any,
    emptied: Callable[[], None],
) -> Iterator[Stage]:
    """Built once: who signs in, and that nobody is there before, is the same for all cases."""
    emptied()
    valkey.flushall()
    process.install(_workers["smtp"])
    world = World(app=app, owner=owner, valkey=valkey, smtp=smtp, aws=aws, workers=_workers)
    with app.app_context():
        build = Builder(owner, SECRET_KEY)
    hub = Hub(world, build, build.organisation("evergreen", name="Evergreen"))
    for key, role, grade in (
        ("ada", "administrator", "A"),
        ("max", "manager", None),
        ("tom", "technician", None),
        ("carl", "technician", "C"),
        ("vera", "technician", "A"),
        ("abel", "technician", "B"),
        ("tess", "technician", None),
        ("gina", "technician", "A"),
        ("dana", "contact", None),
        ("cleo", "contact", None),
    ):
        hub.person(key, role, grade=grade, signs_in=True)
    hub.customer("cora")
    other = hub.another("harbor")
    other.office("zoe")
    with world.listening(logging.getLogger()):
        yield Stage(hub, other)
    assert not world.errors.lines, "nothing that is refused is an error of ours"


# --- items to try on -----------------------------------------------------------------------------------------------


@dataclass
class Case:
    """One item in a state, and somebody who tries a verb on it."""

    kind: WorkKind
    verb: str
    who: str
    state: str
    id: UUID
    number: str
    version: int = 1


def facts(stage: Stage, kind: WorkKind, verb: str) -> dict[str, Any]:
    """What the item is: complete enough for the verb that is tried on it."""
    start = (stage.hub.now() + timedelta(days=2)).replace(microsecond=0)
    said = {
        "repair": {"vehicle": "2020 Mazda 3", "damage": "chip"},
        "work_order": {"work": "Replace the pump", "urgency": "urgent"},
        "maintenance": {"problem": "No hot water", "unit": "A101"},
        "permit": {
            "type": "Hot work",
            "work": "Weld",
            "planned_start": start,
            "planned_end": start.replace(year=start.year + 1),
        },
        "booking": {"resource": "Studio 3", "start": start, "end": start.replace(year=start.year + 1)},
    }[kind.name]
    if kind.name == "permit":
        isolated = None if verb == "verify_point" else "Vera"
        said["isolation_points"] = [{"name": "Q4", "verified_by": isolated, "verified_at": None}]
    return said


def cases(stage: Stage, kind: WorkKind, verb: str, state: str, who: list[str]) -> list[Case]:
    """An item for each of these, all in one statement."""
    made, items, parts = [], [], []
    about = json.dumps(pack(facts(stage, kind, verb)))
    for key in who:
        stage.numbers += 1
        one = Case(kind, verb, key, state, new_id(), f"{kind.prefix}-{9000 + stage.numbers}")
        made.append(one)
        items.append(
            {
                "id": str(one.id),
                "kind": kind.name,
                "number": one.number,
                "title": one.number,
                "status": state,
                "data": json.loads(about),
                "external_id": one.number,
            }
        )
        for role in kind.roles:
            holder = "cora" if key == "cora" and kind.roles[role] == "contact" else PARTS[role]
            parts.append({"item_id": str(one.id), "role": role, "person_id": stage.id(holder)})
    stage.build.run(
        "INSERT INTO work_item (organisation_id, id, kind, source_id, external_id, number, title, status, data, known_at) "
        "SELECT :org, r.id, r.kind, :source, r.external_id, r.number, r.title, r.status, r.data, "
        "hub_now() - interval '1 day' FROM json_populate_recordset(NULL::work_item, CAST(:rows AS json)) r",
        org=stage.hub.organisation.id,
        source=stage.hub.source.id,
        rows=json.dumps(items),
    )
    stage.build.run(
        "INSERT INTO item_person (organisation_id, item_id, role, person_id) SELECT :org, r.item_id, r.role, r.person_id "
        "FROM json_populate_recordset(NULL::item_person, CAST(:rows AS json)) r",
        org=stage.hub.organisation.id,
        rows=json.dumps(parts),
    )
    return made


def values(stage: Stage, kind: WorkKind, verb: Verb | None, *, needed: bool = True) -> dict[str, Any]:
    """Something for every input that is not a list; `needed` without those that must be there."""
    if verb is None:
        return {"person": stage.id("tess")}
    asked = [one for one in verb.inputs if one.kind is not FieldKind.records]
    return {one.name: _value(stage, kind, one) for one in asked if needed or not one.required}


def _value(stage: Stage, kind: WorkKind, one: Field) -> Any:
    match one.kind:
        case FieldKind.moment:
            later = {"start": 3, "planned_start": 3, "due_at": 3}.get(one.name, 900)
            return (stage.hub.now() + timedelta(days=later)).replace(microsecond=0).isoformat()
        case FieldKind.yes_no:
            return True
        case FieldKind.choice:
            return next(iter(one.choices), "Q4")
        case FieldKind.person:
            named = {"verifier": "gina", "approver": "ada"}
            return stage.id(named.get(one.name, PARTS.get(one.name, "")))
    return ALSO


# --- what must come of it ------------------------------------------------------------------------------------------


def expected(stage: Stage, case: Case) -> str:
    """The oracle. Whose organisation it is not, or who has no part in it and is not of the office, finds nothing (C5);
    then whether it is theirs to do (F4), then whether the item is in a state for it (D2)."""
    person = stage.home(case.who).people[case.who]
    if case.who in stage.other.people or not (person.role in OFFICE or _roles(case)):
        return NOT_FOUND
    verb = case.kind.verb(case.verb)
    if verb is None:
        return DONE if person.role in OFFICE else FORBIDDEN
    if not any(_means(word, stage, case) for word in verb.by):
        return FORBIDDEN
    if case.state not in verb.origins or not _their_turn(case):
        return REFUSED
    return DONE


def _roles(case: Case) -> list[str]:
    """The parts that they have in the item."""
    contact = {role for role, makes in case.kind.roles.items() if makes == "contact"}
    if case.who == "cora":
        return sorted(contact)
    return [role for role in case.kind.roles if PARTS[role] == case.who]


def _means(word: str, stage: Stage, case: Case) -> bool:
    role = stage.hub.people[case.who].role
    if word in ("source", "clock"):
        return False
    if word in OFFICE:
        return role == word
    if word in case.kind.roles:
        return word in _roles(case)
    assert ":" not in word, "no verb on an item is for all of a role: who has no part cannot see it"
    return role == word and bool(_roles(case))


def _their_turn(case: Case) -> bool:
    """D2: a permit is rejected by whoever it waits for."""
    if (case.kind.name, case.verb) != ("permit", "reject"):
        return True
    return {"submitted": "verifier", "verified": "approver"}[case.state] in _roles(case)


def by_link(case: Case, answer: str) -> str:
    """A17: a private link answers what the item waits for in its first state, and nothing else."""
    verb = case.kind.verb(case.verb)
    if answer in (DONE, FORBIDDEN) and not (isinstance(verb, Transition) and case.state == case.kind.first):
        return REFUSED
    return answer


# --- the doors -----------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """What a door said: an HTTP status, and all its words."""

    status: int
    text: str


def through_page(stage: Stage, case: Case, given: dict[str, Any]) -> Answer:
    """The form of the reader's own page of the item: its address and the verb, its fields the verb's inputs."""
    browser, token = stage.page(case.who)
    role = stage.home(case.who).people[case.who].role
    filled = {name: "true" if value is True else value for name, value in given.items()}
    if case.verb == "assign":  # whom one chooses from a list
        filled = {"choice": filled.get("person", "")}
    path = f"{item_url(role, case.id)}/{case.verb}"
    page = browser.post(path, csrf_token=token, version=case.version, **filled)
    return Answer(page.status, page.text)


def through_api(stage: Stage, case: Case, given: dict[str, Any]) -> Answer:
    path = f"/items/{case.id}/{case.verb}"
    response = stage.program(case.who).post(path, {"values": given, "version": case.version})
    return Answer(response.status_code, response.get_data(as_text=True))


def through_link(stage: Stage, case: Case, given: dict[str, Any]) -> Answer:
    """The private link of somebody who does not sign in."""
    token = Secrets(SECRET_KEY).new_link()
    stage.build.insert(
        "link",
        organisation_id=stage.hub.organisation.id,
        token_hash=Secrets.hash_token(token),
        person_id=stage.id(case.who),
        item_id=case.id,
        expires_at=stage.hub.now() + timedelta(days=1),
    )
    browser, form_token = stage.page("")
    fields = {"answer": case.verb, "reason": given.get("reason", "")}
    page = browser.post(f"/l/{token}", csrf_token=form_token, **fields)
    return Answer(page.status, page.text)


def doors(stage: Stage, who: str) -> list[tuple[str, Callable[..., Answer], dict[str, int]]]:
    found = [("API", through_api, API)]
    if stage.home(who).people[who].login:
        found.append(("page", through_page, PAGE))
    else:
        found.append(("link", through_link, LINK))
    return found


# --- what has come of it -------------------------------------------------------------------------------------------


EFFECT = """
    SELECT w.id, w.status, w.version, w.round, w.data,
      (SELECT coalesce(json_object_agg(p.role, p.person_id), '{}') FROM item_person p
        WHERE p.organisation_id = w.organisation_id AND p.item_id = w.id) AS people,
      (SELECT coalesce(json_agg(json_build_array(e.name,
                (SELECT coalesce(json_agg(n.person_id ORDER BY n.person_id), '[]') FROM notification n
                  WHERE n.organisation_id = e.organisation_id AND n.event_id = e.id))), '[]') FROM event e
        WHERE e.organisation_id = w.organisation_id AND e.item_id = w.id) AS events,
      (SELECT coalesce(json_agg(json_build_array(t.name, t.round, t.assignee_id) ORDER BY t.name), '[]') FROM task t
        WHERE t.organisation_id = w.organisation_id AND t.item_id = w.id AND t.closed_at IS NULL) AS tasks,
      (SELECT coalesce(json_agg(json_build_array(c.version, c.verb, c.actor_id) ORDER BY c.version), '[]') FROM change c
        WHERE c.organisation_id = w.organisation_id AND c.item_id = w.id) AS changes,
      (SELECT coalesce(json_agg(r.key ORDER BY r.key), '[]') FROM reminder r
        WHERE r.organisation_id = w.organisation_id AND r.item_id = w.id AND r.state = 'pending') AS plan
    FROM work_item w WHERE w.organisation_id = :org AND w.id = ANY(:ids)
"""


def effects(stage: Stage, of: list[Case]) -> list[dict[str, Any]]:
    """All that is known of these items now, without what makes each this one and the second in which it happened."""
    rows = stage.build.all(EFFECT, org=stage.hub.organisation.id, ids=[one.id for one in of])
    found, now = {row.id: row for row in rows}, stage.hub.now()
    return [_effect(found[one.id], now) for one in of]


def _effect(row: Any, now: datetime) -> dict[str, Any]:
    return {
        "state": row.status,
        "version": row.version,
        "round": row.round,
        "facts": _timeless(row.data, now),
        "people": row.people,
        "events": sorted(row.events),
        "tasks": row.tasks,
        "changes": row.changes,
        "planned": [one.partition("@")[0] for one in row.plan],
    }


def _timeless(value: Any, now: datetime) -> Any:
    if isinstance(value, dict):
        if "$at" in value and abs(datetime.fromisoformat(value["$at"]) - now) < timedelta(hours=1):
            return "now"
        return {name: _timeless(one, now) for name, one in value.items()}
    return [_timeless(one, now) for one in value] if isinstance(value, list) else value


def everybody(kind: WorkKind) -> list[str]:
    return list(dict.fromkeys([*(PARTS[role] for role in kind.roles), *OTHERS]))


def named(case: tuple[WorkKind, str]) -> str:
    return f"{case[0].name}-{case[1]}"


@pytest.mark.parametrize("which", VERBS, ids=named)
def test_a_verb_is_done_or_refused_alike_by_everybody_through_every_door(
    stage: Stage, which: tuple[WorkKind, str]
) -> None:
    kind, name = which
    verb = kind.verb(name)
    if verb and not verb.origins:
        _made_here(stage, kind, verb)
        return
    given = values(stage, kind, verb)
    for state in verb.origins if verb else (kind.first,):
        _tried_by_everybody(stage, kind, name, state, given)
    if isinstance(verb, Transition):
        for state in verb.origins:
            _reported(stage, kind, verb, state, given)
    if verb:
        _in_no_other_state(stage, kind, verb, given)
        _not_without_what_it_needs(stage, kind, verb)


def _tried_by_everybody(stage: Stage, kind: WorkKind, name: str, state: str, given: dict[str, Any]) -> None:
    """Each person through each of their doors, on items that are alike."""
    who = [key for key in everybody(kind) for _door in doors(stage, key)]
    tried = cases(stage, kind, name, state, who)
    before, said = effects(stage, tried), []
    for case, (door, go, codes) in zip(
        tried, [one for key in everybody(kind) for one in doors(stage, key)], strict=True
    ):
        answer = expected(stage, case)
        due = by_link(case, answer) if door == "link" else answer
        heard = go(stage, case, given)
        where = f"{name} of a {state} {kind.name} by {case.who} through the {door}: {heard.text[:400]}"
        assert heard.status == codes[due], f"{due} was due for {where}"
        said.append((due, where))
    done: dict[str, list[dict[str, Any]]] = {}
    for case, was, now, (due, where) in zip(tried, before, effects(stage, tried), said, strict=True):
        if due != DONE:
            assert now == was, f"something has changed: {where}"
            continue
        assert now["version"] == 2 and now["changes"][-1] == [2, name, stage.id(case.who)], where
        assert isinstance(kind.verb(name), Transition) <= (now["state"] != state), where
        done.setdefault(case.who, []).append(now)
    for key, found in done.items():
        assert all(one == found[0] for one in found), f"the doors differ for {key}: {found}"


def _reported(stage: Stage, kind: WorkKind, move: Transition, state: str, given: dict[str, Any]) -> None:
    """The same move as the item's own system reports it: the same state, version, events and tasks as by hand."""
    by_source, by_hand = cases(stage, kind, move.verb, state, ["ada", "ada"])
    reported = {name: value for name, value in given.items() if name in kind.upsert.model_fields}
    stage.hub.post(f"{kind.name}.upsert", {"id": by_source.number, "status": move.target, **reported})
    row = stage.build.all("SELECT state, error FROM inbound ORDER BY received_at DESC, id DESC LIMIT 1")[0]
    (found,) = effects(stage, [by_source])
    if move.target not in kind.source_moves[state]:
        assert row.state == REFUSED and by_source.number in row.error and found["version"] == 1
        return
    assert (row.state, row.error) == ("applied", None)
    assert (found["state"], found["version"]) == (move.target, 2)
    doer = next(
        (
            key
            for key in everybody(kind)
            if expected(stage, Case(kind, move.verb, key, state, by_hand.id, "")) == DONE
        ),
        None,
    )
    if doer is None:  # time alone does this one
        return
    by_hand.who = doer
    assert through_api(stage, by_hand, given).status == API[DONE]
    (same,) = effects(stage, [by_hand])
    for what in ("state", "version", "round", "tasks", "planned"):
        assert found[what] == same[what], (what, move.verb)
    assert {one for one, _ in found["events"]} == {one for one, _ in same["events"]}, move.verb


def _in_no_other_state(stage: Stage, kind: WorkKind, verb: Verb, given: dict[str, Any]) -> None:
    """What the state does not allow is refused with a sentence that says what it is now."""
    for state in (one for one in kind.statuses if one not in verb.origins):
        for who in everybody(kind):
            if expected(stage, Case(kind, verb.verb, who, state, new_id(), "")) != REFUSED:
                continue
            tried = cases(stage, kind, verb.verb, state, [who, who])
            for case, (door, go, _) in zip(tried, doors(stage, who), strict=True):
                said = go(stage, case, given)
                assert said.status == 409, (door, verb.verb, state, said)
                if door != "link":
                    now = kind.statuses[state].lower()
                    sentence = (
                        f"{kind.title} {case.number} is {now}; {verb.title.lower()} is not possible now."
                    )
                    assert sentence in said.text, (door, said)
            assert [one["version"] for one in effects(stage, tried)] == [1] * len(tried)
            break  # one who might is as good as all: everybody was tried where it is possible


def _not_without_what_it_needs(stage: Stage, kind: WorkKind, verb: Verb) -> None:
    """B6: what is missing is named, and nothing has changed."""
    state = verb.origins[0]
    who = next(
        (
            one
            for one in everybody(kind)
            if expected(stage, Case(kind, verb.verb, one, state, new_id(), "")) == DONE
        ),
        None,
    )
    if not verb.needs or who is None:
        return
    tried = cases(stage, kind, verb.verb, state, [who, who])
    for case, (door, go, _) in zip(tried, doors(stage, who), strict=True):
        said = go(stage, case, values(stage, kind, verb, needed=False))
        assert said.status == 422, (door, said)
        assert all((one.asks or one.title) in said.text for one in verb.inputs if one.required), (
            door,
            said.text,
        )
    assert [one["version"] for one in effects(stage, tried)] == [1] * len(tried)


def _made_here(stage: Stage, kind: WorkKind, verb: Verb) -> None:
    """A new item, by everybody: the kind's `create`."""
    given = values(stage, kind, verb)
    for who in everybody(kind):
        if who == "zoe":
            continue  # in an organisation of her own she may
        role, mine = stage.hub.people[who].role, dict(given)
        may = any(word == role if ":" not in word else word == f"role:{role}" for word in verb.by)
        if role not in OFFICE:
            mine.pop("creator", None)  # D2: only the office makes a permit for somebody else
        response = stage.program(who).post("/items", {"kind": kind.name, "values": mine})
        assert response.status_code == (201 if may else 403), (who, response.json)
        if may:
            assert (response.json["state"], response.json["version"]) == (kind.first, 1)
            assert response.json["number"].startswith(f"{kind.prefix}-")


# --- at the same time ----------------------------------------------------------------------------------------------


def together(*acts: Callable[[], Answer]) -> list[Answer]:
    """All of these at once, each in a thread of its own."""
    begin, said = threading.Barrier(len(acts)), {}

    def run(number: int, act: Callable[[], Answer]) -> None:
        begin.wait(10)
        said[number] = act()

    threads = [threading.Thread(target=run, args=one) for one in enumerate(acts)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    return [said[number] for number in range(len(acts))]


@pytest.mark.parametrize("turn", range(4))
def test_of_two_verbs_at_once_through_two_doors_one_wins_and_the_other_is_told(
    stage: Stage, turn: int
) -> None:
    kind = domains.kind("repair")
    assert kind is not None
    approve, deny = cases(stage, kind, "approve", "pending", ["max", "ada"])
    deny.id, deny.number, deny.verb = approve.id, approve.number, "deny"
    stage.page("max"), stage.program("ada")
    said = together(
        lambda: through_page(stage, approve, {}), lambda: through_api(stage, deny, {"reason": "Too late."})
    )
    codes = [one.status for one in said]
    assert codes in ([303, 409], [409, 200]), said
    (found,) = effects(stage, [approve])
    won = "approve" if codes[0] == 303 else "deny"
    assert (found["version"], [one[1] for one in found["changes"]]) == (2, [won])
    assert found["state"] == {"approve": "approved", "deny": "denied"}[won]
    # nobody of this stage has an address, which the office hears of as well
    assert {name for name, _ in found["events"]} - {"not_reached"} == {f"repair_{found['state']}"}


@pytest.mark.parametrize("turn", range(4))
def test_two_reports_and_a_verb_at_once_lose_nothing_of_one_another(stage: Stage, turn: int) -> None:
    """Each changes something else; the verb names no version, so that it is done whatever came first."""
    kind = domains.kind("work_order")
    assert kind is not None
    case = cases(stage, kind, "note", "in_progress", ["tom"])[0]
    program = stage.program("tom")

    at = stage.hub.now() + timedelta(
        minutes=1
    )  # of one moment: neither is older than the other, or than the note

    def report(**facts: Any) -> Answer:
        data = {"id": case.number, **facts}
        response = stage.hub.post("work_order.upsert", data, at=at, settle=False)
        return Answer(response.status_code, "")

    def note() -> Answer:
        response = program.post(f"/items/{case.id}/note", {"values": {"notes": "Half done."}})
        return Answer(response.status_code, response.get_data(as_text=True))

    said = together(
        lambda: report(location="Roof"), lambda: report(customer={"id": "cleo"}, urgency="high"), note
    )
    stage.hub.settle()
    assert [one.status for one in said] == [202, 202, 200], said
    states = stage.build.all("SELECT state FROM inbound WHERE :ref = ANY(item_refs)", ref=case.number)
    assert [one.state for one in states] == ["applied", "applied"]
    (found,) = effects(stage, [case])
    assert found["facts"]["location"] == "Roof" and found["facts"]["urgency"] == "high"
    assert found["people"]["customer"] == stage.id("cleo")
    assert [one[0] for one in found["changes"]] == [2, 3, 4], "history is complete"
    assert ["note", stage.id("tom")] in [one[1:] for one in found["changes"]]
    assert {"status_update"} <= {name for name, _ in found["events"]}

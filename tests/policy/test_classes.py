"""Classes: decided by the same function as one person alone, and one in the record where the same was decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_app.domains.base import Priority
from notify_app.policy.classes import Standing, class_id, decide
from notify_app.policy.quiet import QuietHours
from notify_app.policy.routing import Choice, Matter, Reach, outward, plan

NIGHT = datetime(2026, 11, 25, 7, 30, tzinfo=UTC)  # 23:30 in Los Angeles, 08:30 in Berlin
NEWS = Matter("announcement", "announcement", Priority.medium)
MARCO = Standing(
    "technician", "America/Los_Angeles", "en", True, False, (Reach("email", ""), Reach("sms", "")), Choice()
)

switches = st.dictionaries(
    st.tuples(st.sampled_from(["event:announcement", "category:announcement"]), st.sampled_from(outward())),
    st.booleans(),
)
reaches = st.dictionaries(st.sampled_from(outward()), st.sampled_from([None, "it bounced"]))
standings = st.builds(
    Standing,
    role=st.sampled_from(["technician", "contact"]),
    zone=st.sampled_from(["America/Los_Angeles", "Europe/Berlin"]),
    locale=st.just("en"),
    signs_in=st.booleans(),
    left=st.just(False),
    reaches=reaches.map(lambda known: tuple(Reach(channel, "", why) for channel, why in known.items())),
    choice=st.builds(Choice, switches, st.sampled_from([None, QuietHours(time(22), time(7))])),
)


@given(standings, st.sampled_from(Priority))
def test_a_class_is_decided_as_each_of_its_people_would_be_alone(standing, priority):
    matter = replace(NEWS, priority=priority)
    own = [Reach(one.channel, f"somebody's {one.channel}", one.blocked) for one in standing.reaches]
    alone = plan(matter, own, standing.choice, signs_in=standing.signs_in, zone=standing.zone, now=NIGHT)
    together = decide(matter, standing, NIGHT)
    assert together.record == alone.record
    assert together.unreached == alone.unreached
    assert [(one.channel, one.not_before) for one in together.messages] == [
        (one.channel, one.not_before) for one in alone.messages
    ]


def test_those_of_whom_the_same_was_decided_are_one_class_wherever_they_are():
    event = uuid4()
    elsewhere = replace(
        MARCO, zone="Europe/Berlin", role="contact", choice=Choice({("event:other", "email"): False})
    )
    assert class_id(event, decide(NEWS, MARCO, NIGHT)) == class_id(event, decide(NEWS, elsewhere, NIGHT))


@pytest.mark.parametrize(
    "other",
    [
        replace(MARCO, reaches=(Reach("sms", ""),)),
        replace(MARCO, reaches=(Reach("email", "", "it bounced"), Reach("sms", ""))),
        replace(MARCO, choice=Choice({("category:announcement", "email"): False})),
        replace(MARCO, choice=Choice(quiet=QuietHours(time(22), time(7)))),
    ],
)
def test_whoever_is_told_otherwise_is_of_another_class(other):
    event = uuid4()
    assert class_id(event, decide(NEWS, MARCO, NIGHT)) != class_id(event, decide(NEWS, other, NIGHT))


def test_a_class_is_of_one_event_and_of_one_end_of_the_night():
    quiet = replace(MARCO, choice=Choice(quiet=QuietHours(time(22), time(7))))
    decided, event = decide(NEWS, quiet, NIGHT), uuid4()
    assert class_id(event, decided) != class_id(uuid4(), decided)
    assert class_id(event, decided) != class_id(event, decide(NEWS, quiet, NIGHT + timedelta(days=1)))

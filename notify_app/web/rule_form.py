"""The form of an escalation rule: as it was typed, as a ladder, and back. A level is a group of fields with its number
behind the name (`after-0`, `unit-0`, `to-0`, `person-0`, `says-0`, `priority-0`, `repeat-0`, `needs-0`); `do` says which
button was pressed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from notify_app.policy.ladder import DAILY, MOST_LEVELS, Ladder, Level
from notify_app.web.ladder_view import word_title
from notify_app.web.words import option, uuid_or_none
from notify_app.work import addressees
from notify_app.work.rules import WORDS

__all__ = ["Rung", "Sheet"]

UNITS = {"minutes": 1, "hours": 60, "days": DAILY}
REPEATS = (15, 30, 60, 240, DAILY, 7 * DAILY)


@dataclass
class Rung:
    """One level as it was typed; every value is text."""

    after: str = "4"
    unit: str = "hours"
    to: list[str] = field(default_factory=lambda: ["assignee"])
    people: list[UUID] = field(default_factory=list)
    says: str = "overdue"
    priority: str = ""
    repeat: str = str(DAILY)
    needs: str = "1"

    @classmethod
    def of(cls, level: Level) -> Rung:
        """A level, in the largest unit in which it is whole."""
        unit = next(name for name in ("days", "hours", "minutes") if level.after % UNITS[name] == 0)
        return cls(
            str(level.after // UNITS[unit]),
            unit,
            [word for word in level.tell if not word.startswith("person:")],
            addressees.named(level.tell),
            level.says,
            str(level.priority or ""),
            str(level.repeat or ""),
            str(level.needs),
        )

    def values(self) -> dict[str, Any]:
        """As the ladder's model takes it; what is no number stays as it was typed, and is refused there."""
        after = _whole(self.after)
        return {
            "after": after * UNITS[self.unit] if isinstance(after, int) else after,
            "tell": [*self.to, *(f"person:{one}" for one in self.people)],
            "says": self.says,
            "priority": _whole(self.priority) if self.priority else None,
            "repeat": _whole(self.repeat) if self.repeat else None,
            "needs": _whole(self.needs) if self.needs else 1,
        }


@dataclass
class Sheet:
    """The whole form."""

    rungs: list[Rung]
    clock: str = "always"
    lapses: str = ""
    version: int = 0
    opened: str = ""

    @classmethod
    def of_ladder(cls, ladder: Ladder, version: int = 0) -> Sheet:
        return cls([Rung.of(one) for one in ladder.levels], ladder.clock, str(ladder.lapses or ""), version)

    @classmethod
    def of_form(cls, form: MultiDict[str, str]) -> Sheet:
        """What was sent, with the level more or less that the pressed button asks for."""
        count = min(max(_number(form.get("levels", ""), 1), 0), MOST_LEVELS)
        rungs = [_rung(form, number) for number in range(count)]
        do, _colon, which = form.get("do", "").partition(":")
        if do == "remove" and _number(which, len(rungs)) < len(rungs):
            del rungs[_number(which, 0)]
        elif do == "add" and len(rungs) < MOST_LEVELS:
            rungs.append(Rung(to=["role:administrator+grade:A"], says="escalated"))
        version = _number(form.get("version", ""), 0)
        return cls(
            rungs,
            form.get("clock", "always")[:20],
            form.get("lapses", "")[:10],
            version,
            form.get("opened", "")[:20],
        )

    def values(self) -> dict[str, Any]:
        """As `rules.put` takes it."""
        return {
            "levels": [one.values() for one in self.rungs],
            "clock": self.clock,
            "lapses": _whole(self.lapses) if self.lapses else None,
        }

    def shown(self, people: list[Any]) -> list[dict[str, Any]]:
        """The groups of fields for the page."""
        return [self._shown(one, people) for one in self.rungs]

    @staticmethod
    def _shown(one: Rung, people: list[Any]) -> dict[str, Any]:
        return {
            "after": one.after,
            "units": [
                option("minutes", _("minutes"), one.unit),
                option("hours", _("hours"), one.unit),
                option("days", _("days"), one.unit),
            ],
            "groups": [{"value": word, "title": word_title(word), "on": word in one.to} for word in WORDS],
            "people": [
                {"value": str(row.id), "title": _person(row), "on": row.id in one.people}
                for row in people
                # who has left is on the level that names them, to be taken off it
                if not row.has_left or row.id in one.people
            ],
            "named": len(one.people),
            "says": [
                option("overdue", _("that it is overdue"), one.says),
                option("escalated", _("that they have to see to it"), one.says),
            ],
            "priorities": [
                option("", _("as usual"), one.priority),
                option("1", _("Urgent"), one.priority),
                option("2", _("High"), one.priority),
                option("3", _("Medium"), one.priority),
                option("4", _("Low"), one.priority),
            ],
            "repeats": _repeats(one.repeat),
            "needs": one.needs,
        }


def _rung(form: MultiDict[str, str], number: int) -> Rung:
    def value(name: str, default: str = "") -> str:
        return form.get(f"{name}-{number}", default)[:20]

    chosen = [found for one in form.getlist(f"person-{number}")[:20] if (found := uuid_or_none(one))]
    unit = value("unit", "hours")
    return Rung(
        value("after"),
        unit if unit in UNITS else "hours",
        [word for word in WORDS if word in form.getlist(f"to-{number}")],
        list(dict.fromkeys(chosen)),
        value("says", "overdue"),
        value("priority"),
        value("repeat"),
        value("needs", "1"),
    )


def _person(row: Any) -> str:
    return _("%(name)s (has left)", name=row.name) if row.has_left else str(row.name)


def _repeats(chosen: str) -> list[dict[str, Any]]:
    titles = {
        "15": _("every 15 minutes"),
        "30": _("every 30 minutes"),
        "60": _("every hour"),
        "240": _("every 4 hours"),
        "1440": _("every day"),
        "10080": _("every week"),
    }
    known = [option("", _("once"), chosen), *(option(str(one), titles[str(one)], chosen) for one in REPEATS)]
    if chosen and chosen not in titles:  # a rule that was made by another door
        known.append(option(chosen, _("every %(minutes)s minutes", minutes=chosen), chosen))
    return known


def _whole(text: str) -> int | str:
    """A whole number; what is none comes back as it was typed, which the ladder refuses."""
    return int(text) if _is_number(text.strip()) else text


def _number(text: str, default: int) -> int:
    return int(text) if _is_number(text) else default


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10

"""What a message says: the pack's files, the office's own templates over them, branding, and the reader.

Titles and texts are written when an event is routed; the body for a channel when its delivery is first claimed
(`bodies`). What is URGENT is never withheld: where its own words fail, what is known goes out in the built-in text
and the error is recorded (A1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from notify_app import domains
from notify_app.domains.base import Draft, EventType, PackError, Priority
from notify_app.domains.hub import GENERAL
from notify_app.errors import FieldError, Invalid
from notify_app.pipeline.audience import Member
from notify_app.pipeline.envelope import safe_link
from notify_app.pipeline.flaws import Flaw
from notify_app.pipeline.render import Rendered, TemplateFailed, missing_files, names_reader, render
from notify_app.pipeline.step import Step, hub
from notify_app.policy import sms
from notify_app.policy.channel import channel as channel_type
from notify_app.policy.office import Branding, OfficeSettings, read

__all__ = ["TemplateProblem", "Wording", "Words", "absolute", "check_files", "on_behalf", "title_of"]

INBOX = ("title", "text")
PERSONAL = ("person", "link")
LONGEST_KNOWN = 300
MOST_NUMBERS = 3  # of a batch, in a title


class TemplateProblem(Invalid):
    """A message that cannot be written: no such template, switched off, or something that it needs is missing."""

    code = "template"


@dataclass
class Wording:
    """The words for one event in one organisation. `problems` collects what went wrong and was survived, `flaws` what of
    it is the fault of the office's own template and was not known before, `failures` which of its fields failed."""

    office: Words
    type: EventType
    row: Any
    priority: Priority
    category: str
    payload: Mapping[str, Any]
    off: bool = False
    problems: list[str] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    noted: bool = False  # the flaws are kept
    _said: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)  # by zone and locale

    @property
    def urgent(self) -> bool:
        return self.priority is Priority.urgent

    @property
    def category_title(self) -> str:
        """What people know the category as; one that an office made up reads as its words."""
        known = next((one.title for one in domains.categories() if one.name == self.category), None)
        return known or _spoken(self.category)

    def action_url(self) -> str:
        """The office's own action link for this event, if it has one that is safe."""
        own = (self.row.action_url if self.row else None) or ""
        return own if own and safe_link(own) else ""

    @property
    def names_reader(self) -> bool:
        """Whether title or text speak of who reads them."""
        return self._speaks_of(("person",))

    def _speaks_of(self, parts: tuple[str, ...]) -> bool:
        own = {name: getattr(self.row, name) if self.row else None for name in INBOX}
        home = domains.pack_of(self.type.name)
        domain, event = (home.name, self.type.name) if home else ("hub", GENERAL.name)
        return names_reader(own, domain=domain, event=event, parts=parts)

    def inbox(self, member: Member, action: str) -> tuple[str, str]:
        """Title and text for one person. Raises TemplateProblem unless URGENT."""
        reads = member.zone, member.locale
        if reads in self._said:
            return self._said[reads]
        values = self._write(INBOX, member, action)
        said = values["title"], values["text"]
        if not self._speaks_of(PERSONAL):  # then who reads in one zone and language reads the same
            self._said[reads] = said
        return said

    def title(self) -> str:
        """The event's own title: what it is called where nobody in particular reads it."""
        return title_of(self.type.title, self.payload)

    def bodies(self, channel: str, member: Member, action: str) -> dict[str, str]:
        """The channel's body, in the parts that it declares: subject, html and text of an email, or the text of an SMS."""
        type_ = channel_type(channel)
        values = self._write(type_.fields, member, action)
        return {part: values[name] for part, name in type_.parts.items()}

    def _write(self, names: tuple[str, ...], member: Member, action: str) -> dict[str, str]:
        # an email's heading and preview line are the inbox's title and text, in the office's own words too
        asked = (*names, "title", "text") if "email_html" in names else names
        own = {name: getattr(self.row, name) if self.row else None for name in asked}
        home = domains.pack_of(self.type.name)
        try:
            rendered = self._render(
                own, home.name if home else "hub", self.type.name if home else GENERAL.name, member, action
            )
        except TemplateFailed as failure:
            if not self.urgent:
                raise TemplateProblem(
                    f"The message {self.type.name} cannot be written.",
                    FieldError(failure.field, failure.reason),
                ) from None
            self._note(failure)
            rendered = self._general(asked, member, action)
        for survived in rendered.failures:
            self._note(survived)
            self.failures.setdefault(survived.field, survived.reason)
            if not survived.ours:
                self.flawed(self.row, str(survived))
        return rendered.values

    @property
    def sms_segments(self) -> int:
        """The most that an SMS of these words may take."""
        return sms.MOST_SEGMENTS if self.type.sms_whole else self.office.settings.sms_segments

    def flawed(self, row: Any, why: str) -> None:
        """The office's own template cannot be used: the built-in words go out."""
        if row.broken_at is None and not self.flaws:
            self.flaws.append(Flaw(row.id, row.version, why))

    def _render(
        self, own: dict[str, str | None], domain: str, event: str, member: Member, action: str
    ) -> Rendered:
        known = _known(self.type.title, self.payload) if event == GENERAL.name else {}
        known = {name: value for name, value in known.items() if self.payload.get(name) is None}
        return render(
            own,
            {**self.payload, **known, **self.office.context(self, member, action)},
            domain=domain,
            event=event,
            zone=member.zone,
            locale=member.locale,
            sms_segments=self.sms_segments,
            lenient=self.urgent,
        )

    def _general(self, names: tuple[str, ...], member: Member, action: str) -> Rendered:
        """What is URGENT and has no words of its own: what is known, in the built-in text, whatever was given."""
        return render(
            dict.fromkeys(names),
            {**_known(self.type.title, self.payload), **self.office.context(self, member, action)},
            domain="hub",
            event=GENERAL.name,
            zone=member.zone,
            locale=member.locale,
            sms_segments=self.sms_segments,
            lenient=True,
        )

    def _note(self, failure: TemplateFailed) -> None:
        said = f"{self.type.name}: {failure}"
        if said not in self.problems:
            self.problems.append(said)


def on_behalf(name: str, title: str) -> str:
    """A title for whoever stands in for somebody."""
    return f"For {name}: {title}"


def title_of(title: str, payload: Mapping[str, Any]) -> str:
    """An event's title with the numbers of what it is about: "Repair approved: R-1042"."""
    items = payload.get("items")
    about = [payload.get("item"), *(items if isinstance(items, list) else [])]
    numbers = [str(one["number"]) for one in about if isinstance(one, Mapping) and one.get("number")]
    more = ", ..." if len(numbers) > MOST_NUMBERS else ""
    return f"{title}: {', '.join(numbers[:MOST_NUMBERS])}{more}" if numbers else title


def _filled(payload: Mapping[str, Any], sample: Mapping[str, Any]) -> dict[str, Any]:
    """What an event's messages may speak of and this payload leaves out is empty, not unknown (A1: whoever sends by
    name gives what is required, and of the rest what they have)."""
    filled = dict.fromkeys(sample) | dict(payload)
    for name, like in sample.items():
        given = payload.get(name)
        if isinstance(like, Mapping) and isinstance(given, Mapping):
            filled[name] = _filled(given, like)
        elif isinstance(like, list) and isinstance(given, list) and like and isinstance(like[0], Mapping):
            filled[name] = [_filled(one, like[0]) if isinstance(one, Mapping) else one for one in given]
    return filled


def _spoken(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _known(title: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the built-in text says of an event that has no words of its own: its plain facts, by name."""
    flat: list[dict[str, Any]] = []
    for name, value in payload.items():
        rows = value.items() if isinstance(value, Mapping) else [("", value)]
        for inner, one in rows:
            if (
                isinstance(one, str | int)
                and not isinstance(one, bool)
                and inner not in ("id", "version")
                and name != "item_id"
            ):
                label = f"{name} {inner}".strip().replace("_", " ").capitalize()
                flat.append({"name": label, "value": str(one)[:LONGEST_KNOWN]})
    return {"headline": title, "known": flat}


class Words:
    """Templates, branding and settings of the step's organisation, each read once."""

    def __init__(self, step: Step) -> None:
        self._step = step
        row = step.one(
            "SELECT name, zone, locale, currency, settings, branding, "
            "coalesce((SELECT notifications_on FROM installation), true) AS installed_on, "
            "coalesce((SELECT escalations_on FROM installation), true) AS escalations_installed, "
            "(SELECT json_agg(json_build_object('id', e.id, 'format', e.format, 'categories', e.categories, "
            "'least_priority', e.least_priority) ORDER BY e.id) FROM endpoint e WHERE e.organisation_id = :org "
            "AND coalesce(e.removed_at, e.paused_at, e.disabled_at) IS NULL) AS endpoints "
            "FROM organisation WHERE id = :org"
        )
        self.name: str = row.name
        self.zone: str = row.zone
        self.locale: str = row.locale
        self.currency: str = row.currency
        self.installed_on: bool = row.installed_on
        self.escalations_installed: bool = row.escalations_installed
        # that are told what the office tells (`endpoints`)
        self.endpoints: list[dict[str, Any]] = row.endpoints or []
        self.settings = read(OfficeSettings, row.settings)
        self.branding = read(Branding, row.branding)

    @property
    def on(self) -> bool:
        """Whether the organisation, and the whole installation, tell anybody at all (D6)."""
        return self.installed_on and self.settings.notifications_on

    def event(self, name: str) -> EventType:
        """The event type, or one made of the office's own template of that name, or the general one."""
        known = domains.event(name)
        if known:
            return known
        row = self._row(name)
        if row is None:
            return replace(GENERAL, name=name, title=_spoken(name), requires=(), sample={})
        priority = Priority.of(row.priority) if row.priority else Priority.medium
        # its own title is a template, which may be what cannot be written
        return EventType(name, _spoken(name), row.category or "system", priority, (), (), {})

    def of(
        self, draft: Draft, priority: Priority | None, category: str | None, *, asked: bool = False
    ) -> Wording:
        """The words for a draft. `asked`: somebody named this template, so that it must exist and be active.
        Raises TemplateProblem unless URGENT."""
        type_, row = self.event(draft.event), self._row(draft.event)
        chosen = priority or (Priority.of(row.priority) if row and row.priority else type_.priority)
        says = Wording(
            self,
            type_,
            row,
            chosen,
            category or (row.category if row and row.category else type_.category),
            _filled(draft.payload, type_.sample),
        )
        active = row is None or row.active
        if row is None and domains.event(draft.event) is None:
            self._problem(says, "template", f"There is no template called {draft.event}.")
        elif not active and (asked or says.urgent):
            self._problem(says, "template", f"The template {draft.event} is switched off.")
        elif not active:
            says.off = True
        if not active:
            says.row = None
        missing = [path for path in type_.requires if not domains.present(draft.payload, path)]
        own = [path for path in (row.requires if row else ()) if not domains.present(draft.payload, path)]
        if (missing or (own and asked)) and not says.off:
            self._problem(says, "context", f"{draft.event} needs {', '.join((*missing, *own))}.")
        elif own and not says.off:
            # what happened is told in the built-in words: an office's template must not hold up the work itself
            says.row = None
            says.problems.append(f"The office's own {draft.event} needs {', '.join(own)}.")
            says.flawed(row, f"it needs {', '.join(own)}, which was not given")
        return says

    def _problem(self, says: Wording, name: str, message: str) -> None:
        if not says.urgent:
            raise TemplateProblem("The message cannot be written.", FieldError(name, message))
        says.problems.append(message)

    def _row(self, event: str) -> Any:
        return self._rows.get(event)

    @cached_property
    def _rows(self) -> dict[str, Any]:
        """The office's own templates by event; of several languages the first, until messages have a language."""
        rows = self._step.all(
            "SELECT * FROM template WHERE organisation_id = :org ORDER BY event, locale DESC"
        )
        return {row.event: row for row in rows}

    def context(self, says: Wording, member: Member, action: str) -> dict[str, Any]:
        """What every message may say beside its event's own facts."""
        branding = self.branding.model_dump()
        return {
            "event": {"name": says.type.name, "title": says.type.title, "priority": says.priority.value},
            "person": {
                "name": member.name,
                # a contact may be a company: its name is not cut
                "first_name": member.name if member.role == "contact" else member.name.split(" ")[0],
                "role": member.role,
            },
            "organisation": {"name": self.name},
            "branding": {**branding, "company_name": branding["company_name"] or self.name},
            "link": absolute(action),
        }


def check_files() -> None:
    """Every event has its files; raises PackError, which names the first that is missing (C3)."""
    for pack in domains.packs():
        for one in pack.events:
            for path in missing_files(pack.name, one.name):
                raise PackError(f"event {one.name!r}: there is no file templates/messages/{path}")


def absolute(action: str) -> str:
    """A path of the hub as a whole address; another https address as it is."""
    return f"{hub().base_url}{action}" if action.startswith("/") else action

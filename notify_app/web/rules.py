"""Escalation rules (D4, F2): what each step of the work may take, drawn as ladders; the editor with its simulator; the
working hours. The office looks, administrators change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import ValidationError

from notify_app import domains
from notify_app.errors import Conflict, FieldError, Invalid
from notify_app.pipeline import world
from notify_app.pipeline.step import Step, step
from notify_app.policy.ladder import Ladder, declared, play
from notify_app.policy.office import OfficeSettings
from notify_app.policy.wall import NoSuchTime, instant_of, wall_of
from notify_app.web import ladder_view
from notify_app.web.guard import allow
from notify_app.web.identity import viewer
from notify_app.web.ladder_view import scope_title
from notify_app.web.reader import Reader, reader
from notify_app.web.rule_form import Sheet
from notify_app.web.words import option, price, weekdays
from notify_app.work import addressees, ladders, rules, simulate, templates
from notify_app.work.ladders import Rule

__all__ = ["blueprint"]

blueprint = Blueprint("rules", __name__)

PAST = timedelta(days=30)
AHEAD = timedelta(days=14)
MOST_SHOWN = 8
FARTHEST = timedelta(days=3652)  # from now, of what is tried
# the first two hundred, and whoever is named already, left or not: a name that is not on the form is lost when it is saved
PEOPLE = """
    SELECT id, name, left_at IS NOT NULL AS has_left FROM person
    WHERE organisation_id = :org AND (id = ANY(:chosen) OR id IN (
        SELECT id FROM person WHERE organisation_id = :org AND left_at IS NULL AND role <> 'contact'
        ORDER BY lower(name), id LIMIT 200))
    ORDER BY lower(name), id
"""
NEW = UUID(int=0)
Scope = tuple[str | None, str | None, str | None]


# --- the list ------------------------------------------------------------------------------------------------------


@blueprint.get("/rules")
@allow("office")
def show() -> ResponseReturnValue:
    """What counts for each step, and the organisation's own rules."""
    return _list()


def _list(errors: dict[str, str] | None = None, typed: dict[str, str] | None = None) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        read, known = reader(work.now), world.of(work)
        rows = rules.every(work)
        active = ladders.read_rules(work)
        wanted = [Ladder.model_validate(row.ladder) for row in rows] + [one.ladder for one in active]
        names = _names(work, wanted)
        settings = known.words.settings
        context = {
            "rules": [_rule(row, read, names) for row in rows],
            "steps": _steps(active, read, names),
            "on": settings.escalations_on,
            "installed": known.words.escalations_installed,
            "hours": _hours(settings, typed or {}),
        }
    return render_template(
        "rules.html", **context, may_change=who.role == "administrator", errors=errors or {}
    )


def _rule(row: Any, read: Reader, names: dict[UUID, str]) -> dict[str, Any]:
    ladder = Ladder.model_validate(row.ladder)
    return {
        "id": str(row.id),
        "title": scope_title((row.kind, row.sort, row.step)),
        "active": row.active,
        "rungs": ladder_view.rungs(ladder, read, names),
        "clock": ladder_view.clock_words(ladder),
        "waiting": row.waiting,
        "changed": read.when(row.updated_at),
        "by": row.updated_by or "",
        "url": url_for(".edit", id=row.id),
    }


def _steps(active: list[Rule], read: Reader, names: dict[UUID, str]) -> list[dict[str, Any]]:
    """Every step that waits for somebody, with the ladder that counts for it where its type makes no difference."""
    found = []
    for kind in domains.kinds():
        for task in kind.tasks:
            fitting = [one for one in active if one.sort is None and one.fits(kind.name, "", task.step)]
            rule = max(fitting, key=lambda one: one.weight, default=None)
            ladder = rule.ladder if rule else declared(task)
            found.append(
                {
                    "kind": kind.name,
                    "kind_title": kind.title,
                    "title": task.title,
                    "rungs": ladder_view.rungs(ladder, read, names),
                    "rule": scope_title((rule.kind, rule.sort, rule.step)) if rule else "",
                    "url": url_for(".edit", id=rule.id)
                    if rule
                    else url_for(".new", scope=_scope_word((kind.name, None, task.step))),
                }
            )
    return found


# --- one rule ------------------------------------------------------------------------------------------------------


@blueprint.get("/rules/new")
@allow("administrator")
def new() -> ResponseReturnValue:
    """The editor, with the ladder that counts now where a step is named."""
    scope = _scope_of(request.args.get("scope", ""))
    return _editor(Sheet.of_ladder(_default(scope)), scope, request.args.get("sort", "").strip()[:100])


@blueprint.get("/rules/<uuid:id>")
@allow("office")
def edit(id: UUID) -> ResponseReturnValue:
    """The editor of one."""
    with step(viewer().organisation_id) as work:
        row = rules.find(work, id)
    ladder = Ladder.model_validate(row.ladder)
    return _editor(Sheet.of_ladder(ladder, row.version), (row.kind, row.sort, row.step), row.sort or "", row)


@blueprint.post("/rules/new")
@allow("administrator")
def make() -> ResponseReturnValue:
    """Save a new one; or another button: a level more, a level less, what it would do."""
    kind, _none, name = _scope_of(request.form.get("scope", ""))
    typed = request.form.get("sort", "").strip()[:100]
    return _saved((kind, typed or None, name), typed, None)


@blueprint.post("/rules/<uuid:id>")
@allow("administrator")
def save(id: UUID) -> ResponseReturnValue:
    """Save a changed one, or one of the other buttons."""
    with step(viewer().organisation_id) as work:
        row = rules.find(work, id)
    return _saved((row.kind, row.sort, row.step), row.sort or "", row)


def _saved(scope: Scope, sort: str, row: Any) -> ResponseReturnValue:
    who, sheet = viewer(), Sheet.of_form(request.form)
    if request.form.get("do", "save") != "save":
        return _editor(sheet, scope, sort, row, tried=True)
    try:
        with step(who.organisation_id) as work:
            if row is None:
                rules.put(work, sheet.values(), who.by, scope=scope)
            else:
                rules.put(work, sheet.values(), who.by, rule_id=row.id, seen=sheet.version)
    except Invalid as error:
        return _editor(sheet, scope, sort, row, problems=error.fields), 422
    except Conflict as error:
        return _editor(sheet, scope, sort, row, problems=(FieldError("scope", str(error)),)), 409
    flash(_("The rule is saved. It counts for what begins to wait from now on."), "ok")
    return redirect(url_for(".show"), 303)


@blueprint.post("/rules/<uuid:id>/active")
@allow("administrator")
def switch(id: UUID) -> ResponseReturnValue:
    """Let it count, or not."""
    active = request.form.get("active") == "1"
    with step(viewer().organisation_id) as work:
        rules.set_active(work, id, viewer().by, active=active)
    flash(_("The rule counts again.") if active else _("The rule does not count any more; it is kept."), "ok")
    return redirect(url_for(".show"), 303)


@blueprint.post("/rules/<uuid:id>/remove")
@allow("administrator")
def remove(id: UUID) -> ResponseReturnValue:
    """Take it away."""
    with step(viewer().organisation_id) as work:
        rules.remove(work, id, viewer().by)
    flash(_("The rule is gone. What waits already goes on by it."), "ok")
    return redirect(url_for(".show"), 303)


def _editor(
    sheet: Sheet,
    scope: Scope,
    sort: str,
    row: Any = None,
    *,
    problems: tuple[FieldError, ...] | list[FieldError] = (),
    tried: bool = False,
) -> str:
    who = viewer()
    with step(who.organisation_id) as work:
        read = reader(work.now)
        people = work.all(PEOPLE, chosen=list({one for rung in sheet.rungs for one in rung.people}))
        ladder = _drawn(sheet)
        errors = _wrong(work, sheet) | {one.field: one.message for one in problems}
        names = _names(work, [ladder] if ladder else [])
        would = _would(work, sheet, ladder, scope, read, row, tried=tried) if ladder else None
        rungs = ladder_view.rungs(ladder, read, names) if ladder else []
    return render_template(
        "rule.html",
        rule={
            "id": str(row.id) if row else "",
            "title": scope_title(scope) if row else _("New rule"),
            "active": row.active if row else True,
            "url": url_for(".save", id=row.id) if row else url_for(".make"),
        },
        scopes=_scopes(scope),
        sort=sort,
        levels=sheet.shown(people),
        clocks=[
            option("always", _("day and night"), sheet.clock),
            option("working", _("in working hours only"), sheet.clock),
        ],
        lapses=_lapses(sheet.lapses),
        version=sheet.version,
        rungs=rungs,
        would=would,
        errors=errors,
        refused=bool(problems),
        may_change=who.role == "administrator",
    )


def _drawn(sheet: Sheet) -> Ladder | None:
    """The ladder as far as it is one, whoever it names."""
    try:
        ladder = Ladder.model_validate(sheet.values())
    except ValidationError:
        return None
    return ladder if ladder.levels else None


def _wrong(work: Step, sheet: Sheet) -> dict[str, str]:
    """Why it could not be saved as it is, by field: of a rule that is opened, whom it names and who has left."""
    try:
        rules.ladder_of(work, sheet.values())
    except Invalid as error:
        return {one.field: one.message for one in error.fields}
    return {}


# --- the simulator -------------------------------------------------------------------------------------------------


def _would(
    work: Step, sheet: Sheet, ladder: Ladder, scope: Scope, read: Reader, row: Any, *, tried: bool
) -> dict[str, Any]:
    """What it would do: to a task that opens at a time; and, once somebody asks, to those of the last thirty days."""
    known = world.of(work)
    opened, problem = _opened(sheet.opened, read)
    fires = play(ladder, opened, opened + AHEAD, known.working_time)
    names = _names(work, [ladder])
    return {
        "opened": wall_of(opened, read.zone),
        "problem": problem,
        "steps": [
            {
                "when": read.when(fire.due_at),
                "span": read.span(fire.due_at - opened),
                "who": ladder_view.told_words(ladder.levels[fire.level], names),
                "says": ladder.levels[fire.level].says,
                "level": fire.level + 1,
                "again": fire.repetition > 0,
            }
            for fire in fires[:MOST_SHOWN]
        ],
        "more": max(0, len(fires) - MOST_SHOWN),
        "past": _past(work, ladder, scope, row) if tried else None,
    }


def _opened(typed: str, read: Reader) -> tuple[datetime, str]:
    if not typed:
        return read.now, ""
    try:
        # before its zone is asked, which knows no time beyond the ends of the calendar
        far = abs(datetime.fromisoformat(typed).replace(tzinfo=UTC) - read.now) > FARTHEST
        if far:
            return read.now, _("That is too far; now is taken instead.")
        return instant_of(typed, read.zone), ""
    except NoSuchTime:
        return read.now, _("The clocks jump over that time; now is taken instead.")
    except ValueError:
        return read.now, _("That is no time; now is taken instead.")


def _past(work: Step, ladder: Ladder, scope: Scope, row: Any) -> dict[str, Any]:
    """As it was and as it would have been, for the tasks that would come under it."""
    kind, sort, name = scope
    mine = Rule(row.id if row else NEW, kind, sort, name, ladder, 0)
    others = [one for one in ladders.read_rules(work) if one.id != mine.id]
    found, more_tasks = simulate.tasks_since(work, work.now - PAST, kind, name)
    tasks = [one for one in found if mine.fits(one.kind.name, one.sort, one.declared.step)]
    after = simulate.replay(work, tasks, [*others, mine])
    # of the same tasks, where not all of them were played
    before = simulate.happened(work, tasks[: after.tasks])
    people = {*before.by_person, *after.by_person}
    names = simulate.names_of(world.of(work), people)
    rows: list[dict[str, Any]] = [
        {"name": names[one], "before": before.by_person[one], "after": after.by_person[one]}
        for one in people
        if one in names
    ]
    rows.sort(key=lambda one: (-abs(one["after"] - one["before"]), one["name"]))
    return {
        "tasks": len(tasks),
        "cut": _cut(len(tasks), after.tasks, more_tasks=more_tasks),
        "before": before.told,
        "after": after.told,
        "sms_before": before.sms,
        "sms_after": after.sms,
        "cost_before": price(before.sms_cost) or "$0",
        "cost_after": price(after.sms_cost) or "$0",
        "people": rows[:MOST_SHOWN],
        "more": max(0, len(rows) - MOST_SHOWN),
    }


def _cut(tasks: int, played: int, *, more_tasks: bool) -> list[str]:
    """What was left out of the replay, in words."""
    said = []
    if more_tasks:
        said.append(
            _(
                "Only the newest %(count)s tasks were looked at: there are more.",
                count=f"{simulate.MOST_TASKS:,}",
            )
        )
    if played < tasks:
        said.append(
            _(
                "Played over the newest %(played)s of these tasks only: all of them would be told of more than %(most)s times.",
                played=f"{played:,}",
                most=f"{simulate.MOST_FIRES:,}",
            )
        )
    return said


# --- working hours -------------------------------------------------------------------------------------------------


@blueprint.post("/rules/hours")
@allow("administrator")
def save_hours() -> ResponseReturnValue:
    """Keep the working hours and the holidays."""
    form = request.form
    days, problems = {}, {}
    for day in range(7):
        if form.get(f"works-{day}") != "1":
            continue
        start, end = form.get(f"start-{day}", ""), form.get(f"end-{day}", "")
        if not start or not end:
            problems["hours"] = _("Give a beginning and an end for each day that is worked.")
        days[day] = {"start": start, "end": end}
    holidays, wrong = _dates(form.get("holidays", "")[:6000])
    if wrong:
        problems["holidays"] = _("%(word)s is no date: write each as 2026-12-25.", word=wrong)
    if not problems:
        try:
            with step(viewer().organisation_id) as work:
                templates.set_office(work, {"working_days": days, "holidays": holidays}, viewer().by)
        except Invalid as error:
            problems["hours"] = " ".join(one.message for one in error.fields)
    if problems:
        return _list(problems, {"holidays": form.get("holidays", "")[:6000]}), 422
    flash(_("The working hours are saved."), "ok")
    return redirect(url_for(".show", _anchor="hours"), 303)


def _dates(text: str) -> tuple[list[str], str]:
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(date.fromisoformat(word).isoformat())
        except ValueError:
            return [], word[:20]
    return sorted(set(found)), ""


def _hours(settings: OfficeSettings, typed: dict[str, str]) -> dict[str, Any]:
    days = []
    for number, title in enumerate(weekdays()):
        mine = settings.working_days.get(number)
        days.append(
            {
                "key": number,
                "title": title,
                "on": mine is not None,
                "start": f"{mine.start:%H:%M}" if mine else "08:00",
                "end": f"{mine.end:%H:%M}" if mine else "17:00",
            }
        )
    kept = " ".join(one.isoformat() for one in sorted(settings.holidays))
    return {"days": days, "holidays": typed.get("holidays", kept)}


# --- what a rule is about ------------------------------------------------------------------------------------------


def _scope_of(word: str) -> Scope:
    kind, _slash, name = word[:120].partition("/")
    return kind or None, None, name or None


def _scope_word(scope: Scope) -> str:
    return f"{scope[0] or ''}/{scope[2] or ''}"


def _scopes(chosen: Scope) -> list[dict[str, Any]]:
    """All that a rule can be about: everything, a kind of work, a step of one."""
    word = _scope_word(chosen)
    found = [option("/", scope_title((None, None, None)), word)]
    for kind in domains.kinds():
        if kind.tasks:
            found.append(option(f"{kind.name}/", scope_title((kind.name, None, None)), word))
        found += [
            option(f"{kind.name}/{task.step}", scope_title((kind.name, None, task.step)), word)
            for task in kind.tasks
        ]
    return found


def _default(scope: Scope) -> Ladder:
    """What counts for a step without a rule; for more than one step, four hours and eight."""
    kind = domains.kind(scope[0]) if scope[0] else None
    task = next((one for one in kind.tasks if one.step == scope[2]), None) if kind else None
    ladder = declared(task) if task else None
    if ladder is not None and ladder.levels:
        return ladder
    permit = next(task for one in domains.kinds() for task in one.tasks if task.overdue and task.escalated)
    return declared(permit, task.hours if task else None)


def _lapses(chosen: str) -> list[dict[str, Any]]:
    titles = {
        "": _("until it is done"),
        "30": _("for 30 minutes"),
        "60": _("for an hour"),
        "240": _("for 4 hours"),
        "1440": _("for a day"),
    }
    found = [option(value, title, chosen) for value, title in titles.items()]
    if chosen not in titles:
        found.append(option(chosen, _("for %(minutes)s minutes", minutes=chosen), chosen))
    return found


def _names(work: Step, wanted: list[Ladder]) -> dict[UUID, str]:
    chosen = {one for ladder in wanted for level in ladder.levels for one in addressees.named(level.tell)}
    return simulate.names_of(world.of(work), chosen)

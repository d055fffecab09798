"""The `flask` commands: the demo, webhooks by hand, switches, templates, keys, why, what is sent again; the sweeps and the
auditor are in `sweep_commands`.

They read the environment as the server does; without one, `wsgi.py` finds the hub that runs from this directory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
from flask import Flask, current_app
from sqlalchemy import text

from notify_app import sweep_commands
from notify_app.config import Settings
from notify_app.errors import HubError, Invalid

__all__ = ["init_app"]


def init_app(app: Flask) -> None:
    """Add the commands."""
    for command in (
        *sweep_commands.ALL,
        demo,
        notifications,
        escalations,
        webhook,
        why,
        template,
        office,
        channels,
        events,
        telegram,
        replay,
        api_key,
    ):
        app.cli.add_command(command)


def _say(line: str) -> None:
    click.echo(f"  {line}")


@click.command("demo")
def demo() -> None:
    """Make the demo's offices that are missing, and print how to sign in."""
    from notify_app import demo as office

    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    if app.extensions["hub"].env == "production":
        raise click.ClickException(
            "HUB_ENV: the demo moves the hub's clock back a week. Set HUB_ENV=demo, on a hub without real offices."
        )
    office.fill(app, _say)
    for line in office.sign_ins():
        click.echo(line)


@click.command("notifications")
@click.argument("switch", type=click.Choice(["on", "off"]), required=False)
def notifications(switch: str | None) -> None:
    """Switch the notifications of the whole installation ON or OFF, or show how they stand. Off tells nobody of anything
    that happens from then on, sends nothing that still waits, records each decision, and is said on every page of every
    office."""
    _installation("notifications", switch)


@click.command("escalations")
@click.argument("switch", type=click.Choice(["on", "off"]), required=False)
def escalations(switch: str | None) -> None:
    """Switch the escalations of the whole installation ON or OFF, or show how they stand. Each office has its own switch
    beside it, which is off until its administrator wants them. Off climbs no ladder; permits expire all the same."""
    _installation("escalations", switch)


def _installation(what: str, switch: str | None) -> None:
    from notify_app.extensions import db
    from notify_app.pipeline import sql

    if switch:
        given = {"notifications": None, "escalations": None, what: switch == "on"}
        with db.engines["engine"].begin() as conn:
            conn.execute(sql.SWITCH_INSTALLATION, given)
    with db.engines["engine"].connect() as conn:
        row = conn.execute(text("SELECT notifications_on, escalations_on FROM installation")).one_or_none()
    stands = row is None or getattr(row, f"{what}_on")
    click.echo("on" if stands else "off")


@click.command("webhook")
@click.argument("source")
@click.argument("type")
@click.argument("data")
@click.option("--id", "message_id", default="", help="Message id (the idempotency key); made up if left out.")
def webhook(source: str, type: str, data: str, message_id: str) -> None:
    """Print a signed curl command that posts DATA (JSON) as TYPE from SOURCE, or a list of data as a batch. Pipe it into
    sh to send it."""
    import shlex

    from notify_app.ids import new_id
    from notify_app.pipeline import signature

    settings: Settings = current_app.extensions["hub"]
    secret = _secret_of(source)
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        raise click.ClickException(f"DATA is not JSON: {error}") from None
    now = datetime.now(UTC)
    message_id = message_id or f"msg_{new_id().hex}"
    body, path = _message(type, value, now), f"/hooks/{source}"
    if isinstance(value, list):
        events = [{"id": f"{message_id}_{at}", **_message(type, one, now)} for at, one in enumerate(value)]
        body, path = {"events": events}, f"{path}/batch"
    text = json.dumps(body)
    headers = {"content-type": "application/json", **signature.sign(secret, message_id, now, text.encode())}
    parts = ["curl", "-sS", "-X", "POST", f"{settings.base_url}{path}"]
    for name, head in headers.items():
        parts += ["-H", f"{name}: {head}"]
    click.echo(shlex.join([*parts, "--data-binary", text]))


def _message(type: str, data: Any, now: datetime) -> dict[str, Any]:
    return {"type": type, "timestamp": now.isoformat(), "data": data}


def _secret_of(source: str) -> str:
    from notify_app.extensions import db
    from notify_app.pipeline import sql
    from notify_app.pipeline.sources import secret_name
    from notify_app.secrets import Secrets

    with db.engines["engine"].connect() as conn:
        row = conn.execute(sql.FIND_SOURCE, {"slug": source}).one_or_none()
    if row is None:
        raise click.ClickException(f"There is no source called {source}.")
    return Secrets(current_app.extensions["hub"].secret_key).open(row.secret, secret_name(source))


@click.command("why")
@click.argument("event")
@click.argument("person")
def why(event: str, person: str) -> None:
    """Say why PERSON (id, or a part of the name) was, or was not, told of EVENT (id), sentence by sentence."""
    from notify_app.extensions import db
    from notify_app.pipeline.step import step
    from notify_app.work import why as reasons

    event_id = _uuid(event, "EVENT")
    owner = current_app.extensions["hub"].database_owner_url
    if not owner:
        raise click.ClickException("DATABASE_OWNER_URL: set it; the event's organisation is looked up by it.")
    organisation_id = _organisation_of(owner, event_id)
    db.session.remove()
    with step(organisation_id) as work:
        found = work.all(
            "SELECT id, name FROM person WHERE organisation_id = :org AND (CAST(id AS text) = :person OR name ILIKE :like) "
            "ORDER BY name",
            person=person,
            like=f"%{person}%",
        )
        if len(found) != 1:
            names = ", ".join(row.name for row in found) or "nobody"
            raise click.ClickException(f"PERSON: {person} is {names}; name exactly one.")
        for line in reasons.plain(work, event_id, found[0].id):
            click.echo(line)


def _organisation_of(url: str, event_id: UUID) -> UUID:
    from sqlalchemy import create_engine

    engine = create_engine(url)
    with engine.connect() as conn:
        row = conn.execute(
            text("SELECT organisation_id FROM event WHERE id = :id"), {"id": event_id}
        ).one_or_none()
    engine.dispose()
    if row is None:
        raise click.ClickException(f"EVENT: there is no event {event_id}.")
    organisation_id: UUID = row.organisation_id
    return organisation_id


def _uuid(value: str, name: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise click.ClickException(f"{name}: {value} is not an id.") from None


@click.command("template")
@click.argument("organisation")
@click.argument("event")
@click.argument("settings", nargs=-1)
@click.option("--off/--on", "off", default=None, help="Switch the event's messages off or on.")
def template(organisation: str, event: str, settings: tuple[str, ...], off: bool | None) -> None:
    """Set an office's own wording: field=TEXT or field=@FILE (title, text, subject, email_html, email_text, sms,
    action_url, priority, category, requires). An empty value goes back to the built-in text."""
    from notify_app.work import templates
    from notify_app.work.record import COMMAND

    with _office(organisation) as work:
        _told(lambda: templates.put(work, event, dict(_pair(one) for one in settings), COMMAND, off))
    click.echo("saved")


@click.command("office")
@click.argument("organisation")
@click.argument("settings", nargs=-1)
def office(organisation: str, settings: tuple[str, ...]) -> None:
    """Show or set an office's settings and branding: name=VALUE (notifications_on, escalations_on, sms_segments,
    burst_seconds, sms_an_hour, sms_a_day, email_an_hour, email_a_day, company_name, logo_url, colour, accent, footer,
    sender_name, sender_address, reply_to, sms_sender)."""
    from notify_app.work import templates
    from notify_app.work.record import COMMAND

    with _office(organisation) as work:
        shown: dict[str, Any] = {}
        _told(lambda: shown.update(templates.set_office(work, dict(_pair(one) for one in settings), COMMAND)))
    for name, value in shown.items():
        click.echo(f"{name}={value}")


def _office(slug: str) -> Any:
    from notify_app.extensions import db
    from notify_app.pipeline.step import step

    with db.engines["engine"].connect() as conn:
        row = conn.execute(
            text("SELECT id FROM organisation WHERE slug = :slug"), {"slug": slug}
        ).one_or_none()
    if row is None:
        raise click.ClickException(f"ORGANISATION: there is none called {slug}.")
    return step(row.id)


def _told(work: Callable[[], None]) -> None:
    try:
        work()
    except Invalid as error:
        lines = [str(error), *(f"{one.field}: {one.message}" for one in error.fields)]
        raise click.ClickException("\n".join(lines)) from None
    except HubError as error:
        raise click.ClickException(str(error)) from None


def _pair(setting: str) -> tuple[str, str]:
    from pathlib import Path

    name, equals, value = setting.partition("=")
    if not equals:
        raise click.ClickException(f"{setting}: write it as name=VALUE.")
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{name}: {error}") from None
    return name, value


@click.command("replay")
@click.argument("organisation")
@click.argument("cause", required=False)
@click.option(
    "--because", default="", help="Why; the record keeps it. Without it nothing is sent, only said."
)
def replay(organisation: str, cause: str | None, because: str) -> None:
    """List what ended badly in ORGANISATION by its CAUSE (channel/reason/provider), or send the messages of one again: what is
    too old, was read or has reached its reader another way stays."""
    from notify_app.work import replay as again
    from notify_app.work.record import COMMAND

    with _office(organisation) as work:
        if cause is None:
            for row in again.causes(work):
                click.echo(
                    f"{row.channel}/{row.reason}/{row.provider}  {row.n:,} to {row.people:,}  {row.detail or ''}"
                )
            return
        ids = again.of_cause(work, *_cause(cause))
        done: list[Any] = [again.look(work, ids)]
        if because:
            _told(lambda: done.append(again.replay(work, ids, because, COMMAND)))
    verb = "sent again" if because else "would be sent again"
    click.echo(f"{verb}: {len(done[-1].ids):,}")
    for why_not, count in sorted(done[-1].refused.items()):
        click.echo(f"stay, {why_not}: {count:,}")


def _cause(cause: str) -> tuple[str, str, str]:
    parts = cause.split("/")
    if len(parts) != 3:
        raise click.ClickException(
            "CAUSE: write it as channel/reason/provider, as `flask replay ORGANISATION` lists it."
        )
    return parts[0], parts[1], parts[2]


@click.command("events")
def events() -> None:
    """Print the catalogue of events, as docs/events.md keeps it (flask events > docs/events.md)."""
    from notify_app.pipeline import catalogue

    click.echo(catalogue.document(), nl=False)


@click.command("channels")
def channels() -> None:
    """Print what each channel is, as docs/channels.md keeps it (flask channels > docs/channels.md)."""
    from notify_app.pipeline import channel_catalogue

    click.echo(channel_catalogue.document(), nl=False)


@click.command("telegram")
def telegram() -> None:
    """Have Telegram report to this hub what people write to the bot and press there. Run it once, and after HUB_SECRET_KEY,
    HUB_BASE_URL or the token has changed."""
    from notify_app import channels
    from notify_app.channels.base import ChannelFailure
    from notify_app.channels.telegram import Bot
    from notify_app.secrets import Secrets
    from notify_app.web.api.telegram import SHARED

    settings: Settings = current_app.extensions["hub"]
    accounts = channels.build(settings).get("telegram", ())
    bot = accounts[0].channel if accounts else None
    if not isinstance(bot, Bot):
        raise click.ClickException("There is no bot: set HUB_TELEGRAM_PROVIDER=bot, its token and its name.")
    if not settings.base_url.startswith("https://"):
        raise click.ClickException(
            "HUB_BASE_URL: begin it with https://; Telegram reports to no other address."
        )
    try:
        name = bot.name_of_bot()
        if name.lower() != settings.telegram_bot.lower():
            raise click.ClickException(
                f"HUB_TELEGRAM_BOT: the token is of @{name}, not @{settings.telegram_bot}."
            )
        bot.listen(f"{settings.base_url}/inbound/telegram", Secrets(settings.secret_key).shared(SHARED))
    except ChannelFailure as error:
        raise click.ClickException(f"Telegram says: {error.reason}") from None
    _say(f"@{name} reports to {settings.base_url}/inbound/telegram")


@click.command("api-key")
@click.argument("organisation")
@click.argument("name", default="")
@click.option("--for", "person", default="", help="As whom it acts: an id, or a part of the name.")
@click.option(
    "--revoke", "revoked", default="", help="The id of the key that is to be worth nothing from now on."
)
def api_key(organisation: str, name: str, person: str, revoked: str) -> None:
    """Make a key called NAME for a program that acts as a person, and print it once; revoke one; or list all."""
    from notify_app.work import keys
    from notify_app.work.record import COMMAND

    with _office(organisation) as work:
        if revoked:
            _told(lambda: keys.revoke(work, _uuid(revoked, "--revoke"), COMMAND))
            click.echo("revoked")
        elif name or person:
            found = work.all(PEOPLE_LIKE, person=person, like=f"%{person}%")
            if len(found) != 1:
                names = ", ".join(row.name for row in found) or "nobody"
                raise click.ClickException(f"--for: {person or 'nothing'} is {names}; name exactly one.")
            _told(lambda: click.echo(keys.make(work, name, found[0].id, COMMAND).token))
        else:
            for one in keys.known(work):
                state = "revoked" if one.revoked_at else "unused" if one.last_used_at is None else "used"
                click.echo(f"{one.id}  {state:<8} hub_…{one.hint}  {one.name} (as {one.person}, {one.role})")


PEOPLE_LIKE = """
    SELECT id, name FROM person WHERE organisation_id = :org AND left_at IS NULL
    AND (CAST(id AS text) = :person OR (:person <> '' AND name ILIKE :like)) ORDER BY name
"""

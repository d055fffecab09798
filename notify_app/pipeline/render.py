"""Turns a message's fields into text: the pack's own files in this process, an office's templates in the sandbox.

The files stand in `templates/messages/<domain>/<event>/`: title.txt, text.txt (the inbox), subject.txt,
email.mjml, email.txt, sms.txt. An email's MJML is composed with `_layout.mjml` and compiled once a process;
only Jinja runs for each message, with everything escaped in HTML. Refuses to write a date or money that was
not shaped for the channel, and anything that is missing; `lenient` (for what is urgent) leaves a gap instead.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import (
    ChainableUndefined,
    Environment,
    FileSystemLoader,
    Template,
    TemplateError,
    TemplateNotFound,
    meta,
    nodes,
)
from jinja2.runtime import Undefined
from markupsafe import Markup

from notify_app.pipeline.sandbox import SandboxedRenderer, TemplateFailed
from notify_app.pipeline.sandbox_child import OWN_FILTERS, Missing, attribute
from notify_app.pipeline.shaping import Shaped, sendable, shape
from notify_app.policy import sms
from notify_app.policy.contrast import ink_on
from notify_app.policy.formats import DEFAULT_LOCALE

__all__ = [
    "FIELDS",
    "FILES",
    "Rendered",
    "TemplateFailed",
    "missing_files",
    "names_reader",
    "render",
    "safe_link",
    "source_of",
]

MESSAGES = Path(__file__).resolve().parents[2] / "templates" / "messages"

# field (as in the table `template`) → the channel that says it
FIELDS = {
    "title": "inapp",
    "text": "inapp",
    "subject": "email",
    "email_html": "email",
    "email_text": "email",
    "sms": "sms",
}
FILES = {
    "title": "title.txt",
    "text": "text.txt",
    "subject": "subject.txt",
    "email_html": "email.mjml",
    "email_text": "email.txt",
    "sms": "sms.txt",
}
LONGEST = {"title": 200, "text": 2000, "subject": 200}  # characters; longer is cut at a word

BRANDING = {
    "company_name": "",
    "logo_url": "",
    "colour": "#1d4e89",
    "accent": "#1d4e89",
    "footer": "",
    "sender_name": "",
}
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # what neither JSON in PostgreSQL nor an email can hold
DOCUMENT = re.compile(r"\s*(<!doctype|<html)", re.IGNORECASE)


@dataclass(frozen=True)
class Rendered:
    """The fields' texts, and which of the office's own templates failed and fell back to the built-in text."""

    values: dict[str, str]
    failures: tuple[TemplateFailed, ...] = field(default=())


def render(
    fields: Mapping[str, str | None],
    context: Mapping[str, Any],
    *,
    domain: str,
    event: str,
    zone: str,
    locale: str = DEFAULT_LOCALE,
    sms_segments: int = 1,
    lenient: bool = False,
    sandbox: SandboxedRenderer | None = None,
) -> Rendered:
    """Render the named fields; each value of `fields` is the office's own source, or None for the built-in file.

    An own template that fails is replaced by the built-in one and reported in `failures`; whether that is
    good enough is the caller's decision (it is for what is urgent). Raises TemplateFailed when the built-in
    text itself lacks something, unless `lenient`, which writes nothing in its place.
    """
    prepared = _prepared(context)
    shaped = {
        channel: shape(prepared, channel, zone, locale) for channel in {FIELDS[name] for name in fields}
    }
    writer = _Writer(domain, event, fields, shaped, lenient, sandbox)
    values = {
        name: _finished(name, writer.write(name), shaped[FIELDS[name]], sms_segments) for name in fields
    }
    return Rendered(values, tuple(writer.failures))


class _Writer:
    """Writes the fields of one message; remembers what failed."""

    def __init__(
        self,
        domain: str,
        event: str,
        fields: Mapping[str, str | None],
        shaped: Mapping[str, dict[str, Any]],
        lenient: bool,
        sandbox: SandboxedRenderer | None,
    ) -> None:
        self.folder, self.fields, self.shaped = f"{domain}/{event}", fields, shaped
        self.lenient, self.sandbox = lenient, sandbox
        self.failures: list[TemplateFailed] = []
        self._sendable: dict[str, Any] = {}

    def write(self, name: str) -> str:
        channel = FIELDS[name]
        own = self._own(name, channel)
        if name == "email_html":
            return self._email_html(own)
        text = self._built_in(name, channel) if own is None else own
        if name == "email_text":
            return self._fill(
                _environment(self.lenient).get_template("_layout.txt"), name, {"body": text.strip()}
            )
        return text

    def _own(self, name: str, channel: str) -> str | None:
        source = self.fields.get(name)
        if source is None:
            return None
        if channel not in self._sendable:
            self._sendable[channel] = sendable(self.shaped[channel])
        try:
            text = (self.sandbox or _shared_sandbox()).render(
                name, source, self._sendable[channel], html=name == "email_html"
            )
            if not text.strip():
                raise TemplateFailed(name, "it writes nothing")
        except TemplateFailed as failure:
            self.failures.append(failure)
            return None
        return text

    def _built_in(self, name: str, channel: str) -> str:
        path = f"{self.folder}/{FILES[name]}"
        try:
            template = _environment(self.lenient).get_template(path)
        except TemplateNotFound:
            raise TemplateFailed(name, f"there is no file {path}") from None
        return self._fill(template, name, {}, channel)

    def _email_html(self, own: str | None) -> str:
        if own is not None and DOCUMENT.match(own):
            return own
        more = {"heading": self._line("title"), "preheader": "" if own else self._line("text")}
        if own is not None:
            body = Markup(own)  # noqa: S704 - the sandbox escaped its values; the rest the office wrote itself
            return self._fill(_html_around_own(self.lenient), "email_html", more | {"body": body})
        return self._fill(_html(self.folder, self.lenient), "email_html", more)

    def _line(self, name: str) -> str:
        """The inbox's title or text, said as email says it: the heading and the preview line of an email."""
        own = self._own(name, "email")
        return _one_line(self._built_in(name, "email") if own is None else own)

    def _fill(self, template: Template, name: str, more: dict[str, Any], channel: str = "email") -> str:
        try:
            return template.render(self.shaped[channel] | more)
        except (TemplateError, TypeError, ValueError) as error:
            raise TemplateFailed(name, str(error)) from error


def missing_files(domain: str, event: str, names: Mapping[str, str] | None = None) -> list[str]:
    """Which of an event's files do not exist, as paths below templates/messages; checked at start."""
    paths = [f"{domain}/{event}/{file}" for name, file in FILES.items() if names is None or name in names]
    return [path for path in paths if not (MESSAGES / path).is_file()]


@lru_cache(maxsize=2000)
def source_of(domain: str, event: str, name: str) -> str:
    """The built-in source of a field: what an editor begins with, and what is asked whether it names its reader. Read
    once a process, as the templates themselves are."""
    return (MESSAGES / domain / event / FILES[name]).read_text(encoding="utf-8")


def names_reader(
    fields: Mapping[str, str | None], *, domain: str, event: str, parts: Collection[str] = ("person",)
) -> bool:
    """Whether these fields (as `render` takes them) speak of who reads them, so that no two readers' texts are the same:
    of one of these parts of the context. Of an own source both it and the built-in file count, which may have to stand in for it; what cannot be read does."""
    sources = [source for source in fields.values() if source is not None]
    sources += [source_of(domain, event, name) for name in fields]
    return any(_speaks_of(source, part) for source in sources for part in parts)


@lru_cache(maxsize=2000)
def _speaks_of(source: str, name: str) -> bool:
    """Read, and never compiled: to compile an office's source computes what is constant in it, such as `'a' * 10**9`, here."""
    environment = _environment(False)
    try:
        tree = environment.parse(source)
        return any(one.name == name for one in tree.find_all(nodes.Name)) or any(
            part is None or _speaks_of(_source_of_part(environment, part), name)
            for part in meta.find_referenced_templates(tree)
        )
    except (TemplateError, RecursionError, ValueError, OverflowError):  # what `check_source` calls unreadable
        return True


def _source_of_part(environment: Environment, path: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, path)[0]


def safe_link(link: object) -> str:
    """The link if it is an absolute http(s) address without tricks, else nothing (reliability.md §4.5)."""
    text = str(link or "")
    if re.search(r"[\x00-\x20\x7f\\<>\"'`]", text):
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else ""


def _prepared(context: Mapping[str, Any]) -> dict[str, Any]:
    """The context with a complete branding, and a link that is safe to print."""
    given = context.get("branding") or {}
    branding = BRANDING | {key: value for key, value in given.items() if value}
    organisation = context.get("organisation") or {}
    branding["company_name"] = branding["company_name"] or organisation.get("name", "")
    branding["logo_url"] = safe_link(branding["logo_url"])
    for name in ("colour", "accent"):
        if not COLOUR.fullmatch(str(branding[name])):
            branding[name] = BRANDING[name]
    branding["ink"] = ink_on(branding["colour"])
    return {**context, "branding": branding, "link": safe_link(context.get("link"))}


def _finished(name: str, text: str, shaped: Mapping[str, Any], sms_segments: int) -> str:
    text = UNSTORABLE.sub("", text)
    match name:
        case "email_html":
            return text.strip()
        case "email_text":
            return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"
        case "sms":
            return sms.fit(_one_line(text), sms_segments, shaped["link"] or None)
    return _cut(_one_line(text), LONGEST[name])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return text[: longest - 3].rsplit(" ", 1)[0] + "..."


class _Gap(ChainableUndefined):
    """In what is urgent, a missing value is a gap, not a stop."""


class _BuiltIn(Environment):
    """Jinja for the pack's own files: attributes are keys of plain data, as in the sandbox."""

    def getattr(self, obj: Any, attribute_name: str) -> Any:
        return _part(self, obj, attribute_name)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return _part(self, obj, argument)


def _part(environment: _BuiltIn, obj: Any, key: Any) -> Any:
    if environment.undefined is _Gap and (obj is None or isinstance(obj, Undefined)):
        return _Gap(name=str(key))
    return attribute(environment, obj, key)


@lru_cache(maxsize=2)
def _environment(lenient: bool) -> _BuiltIn:
    environment = _BuiltIn(
        loader=FileSystemLoader(MESSAGES),
        autoescape=lambda name: bool(name and name.endswith((".html", ".mjml"))),
        undefined=_Gap if lenient else Missing,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=1000,
    )
    environment.filters.update(OWN_FILTERS)
    return environment


def _written(value: Any) -> Any:
    """What may stand in an output: never a date or money that no channel has shaped."""
    if value is None:
        return ""
    if isinstance(value, str | int | Shaped | Undefined):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be written out: shape it first")


@lru_cache(maxsize=500)
def _html(folder: str, lenient: bool) -> Template:
    path = MESSAGES / folder / FILES["email_html"]
    if not path.is_file():
        raise TemplateFailed("email_html", f"there is no file {folder}/{FILES['email_html']}")
    return _compiled(path.read_text(encoding="utf-8"), f"{folder}/{FILES['email_html']}", lenient)


@lru_cache(maxsize=2)
def _html_around_own(lenient: bool) -> Template:
    return _compiled("<mj-text>{{ body }}</mj-text>", "own.mjml", lenient)


def _compiled(body: str, name: str, lenient: bool) -> Template:
    """Layout and body joined, MJML made HTML, and that a Jinja template with escaping on."""
    from mjml import mjml2html

    opening = '[% extends "_layout.mjml" %][% from "_parts/macros.mjml" import button, facts, heading %]'
    joined = _composer().from_string(f"{opening}[% block body %]{body}[% endblock %]").render()
    try:
        html = mjml2html(joined)
    except ValueError as error:
        raise TemplateFailed("email_html", f"{name}: {error}") from error
    environment = _environment(lenient)
    code = environment.compile(html, name=name, filename=name)
    return Template.from_code(environment, code, environment.make_globals(None), None)


@lru_cache(maxsize=1)
def _composer() -> Environment:
    """Joins MJML before it is compiled; its marks differ from those that are filled for each message."""
    return Environment(
        loader=FileSystemLoader(MESSAGES),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=Missing,
        autoescape=False,  # noqa: S701 - it joins our own files, and no value from outside
        trim_blocks=True,
    )


_sandbox_lock = threading.Lock()


def _shared_sandbox() -> SandboxedRenderer:
    with _sandbox_lock:
        return _one_sandbox()


@lru_cache(maxsize=1)
def _one_sandbox() -> SandboxedRenderer:
    made = SandboxedRenderer()
    atexit.register(made.close)
    return made

"""A browser without a window: reads a page's forms as a browser would and sends them with all their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient

Fields = dict[str, list[str]]


@dataclass
class Form:
    """One form: where it goes and what it would send if nothing was touched."""

    id: str
    action: str
    method: str
    fields: Fields = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def path(self) -> str:
        return urlsplit(self.action).path


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._open: Form | None = None
        self._select: tuple[Form | None, str] | None = None
        self._area: tuple[Form | None, str] | None = None
        self._elsewhere: list[tuple[str, str, str]] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self._open = Form(at.get("id", ""), at.get("action", ""), at.get("method", "get").lower())
                self.forms.append(self._open)
            case "input":
                self._input(at)
            case "button" if at.get("name") and self._open:
                self._open.buttons.append((at["name"], at.get("value", "")))
            case "select":
                self._select = (self._open, at.get("name", ""))
            case "option" if self._select:
                form, name = self._select
                if form is not None and ("selected" in at or name not in form.fields):
                    form.fields[name] = [at.get("value", "")]
            case "textarea":
                self._area = (self._open, at.get("name", ""))
                self._put(self._open, at.get("name", ""), "")
            case "a" if at.get("href"):
                self.links.append(at["href"])
            case "script" | "style":
                self._hidden += 1

    def _input(self, at: Mapping[str, str]) -> None:
        name, kind = at.get("name", ""), at.get("type", "text")
        if (
            not name
            or kind in ("submit", "button")
            or (kind in ("checkbox", "radio") and "checked" not in at)
        ):
            return
        value = at.get("value", "on" if kind == "checkbox" else "")
        if at.get("form"):
            self._elsewhere.append((at["form"], name, value))
        else:
            self._put(self._open, name, value)

    def _put(self, form: Form | None, name: str, value: str) -> None:
        if form is not None and name:
            form.fields.setdefault(name, []).append(value)

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form":
                self._open = None
            case "select":
                self._select = None
            case "textarea":
                self._area = None
            case "script" | "style":
                self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if self._area and self._area[0] is not None and data.strip():
            self._area[0].fields[self._area[1]] = [data]
        if not self._hidden and data.strip():
            self.words.append(data.strip())

    def close(self) -> None:
        super().close()
        for form_id, name, value in self._elsewhere:
            self._put(next((form for form in self.forms if form.id == form_id), None), name, value)


@dataclass
class Page:
    """What came back."""

    status: int
    html: str
    location: str
    headers: Mapping[str, str]

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.html)
        reader.close()
        self.forms, self.links = reader.forms, reader.links
        self.text = " ".join(" ".join(reader.words).split())

    def form(self, action: str) -> Form:
        """The form whose address ends so."""
        found = [form for form in self.forms if form.path.endswith(action)]
        assert found, f"no form leads to …{action}; there are {[form.action for form in self.forms]}"
        return found[0]

    def offers(self, action: str) -> bool:
        """Whether there is such a form."""
        return any(form.path.endswith(action) for form in self.forms)


class Browser:
    """One browser: keeps its cookies, follows redirects when told to."""

    def __init__(self, client: FlaskClient, site: str) -> None:
        self.client = client
        self.site = site

    def get(self, path: str, *, follow: bool = True, **headers: str) -> Page:
        response = self.client.get(
            path, base_url=self.site, headers=_dashed(headers), follow_redirects=follow
        )
        return self._page(response)

    def submit(self, page: Page | str, action: str, *, follow: bool = True, **values: Any) -> Page:
        """Fill in the form whose address ends in `action` on that page, and send it. A list sends many values,
        None leaves a field out."""
        shown = self.get(page) if isinstance(page, str) else page
        form = shown.form(action)
        fields = dict(form.fields)
        for name, value in values.items():
            if value is None:
                fields.pop(name, None)
            else:
                fields[name] = (
                    [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
                )
        return self._send(form.action, fields, follow)

    def post(self, path: str, *, follow: bool = False, **values: Any) -> Page:
        """Send fields to a path past any form: what a page would not offer."""
        return self._send(path, values, follow)

    def _send(self, path: str, fields: Mapping[str, Any], follow: bool) -> Page:
        # a browser says where the form stood, and over https the form's protection asks for it
        headers = {"Referer": f"{self.site}/", "Origin": self.site}
        response = self.client.post(
            path, base_url=self.site, data=fields, headers=headers, follow_redirects=follow
        )
        return self._page(response)

    def sign_in(self, email: str, password: str) -> Page:
        page = self.submit("/sign-in", "/sign-in", email=email, password=password)
        assert page.status == 200, f"signing in as {email} failed: {page.status} {page.text[:300]}"
        return page

    def cookie(self) -> str:
        """The Cookie header, for a connection that this browser's page would open."""
        cookies = self.client._cookies.values() if self.client._cookies else ()
        return "; ".join(f"{one.key}={one.value}" for one in cookies)

    def _page(self, response: Any) -> Page:
        kind = response.headers.get("Content-Type", "")
        body = response.get_data(as_text=True) if kind.startswith(("text/", "application/json")) else ""
        return Page(response.status_code, body, response.headers.get("Location", ""), response.headers)


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}

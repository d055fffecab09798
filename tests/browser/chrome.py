"""Chromium, and the eyes that watch it: whatever a page logs as an error, throws, or may not do fails its test.

A `Visit` is one device of one person: a browser context with its own cookies and storage. Its tabs share the stream's
worker as they do on a real device.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, expect, sync_playwright

from tests.browser.site import Site
from tests.builders import Person

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SCREENS: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
}
PATIENCE_MS = 20_000  # of one expectation; a busy machine is slow, and a miss costs only time
# a refused script or style is told to the console as an error in any case; this names what refused it
TELL_VIOLATIONS = """
    document.addEventListener('securitypolicyviolation', (event) =>
        console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""


def executable() -> str | None:
    """Where Chromium is, if anywhere."""
    return shutil.which("chromium") or ("/usr/bin/chromium" if os.path.exists("/usr/bin/chromium") else None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process, for many visits."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What went wrong on the pages of one test. `allow` names what this test provokes."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._allowed: list[str] = []

    def allow(self, *patterns: str) -> None:
        """Messages that match one of these are part of the story."""
        self._allowed += patterns

    def over(self, context: BrowserContext) -> None:
        """Watch every page of this context."""
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", lambda error: self._seen.append(f"thrown: {error.error}"))
        context.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._seen.append(f"{message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: Dialog) -> None:
        self._seen.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    def problems(self) -> list[str]:
        """What nobody allowed."""
        return [one for one in self._seen if not any(re.search(pattern, one) for pattern in self._allowed)]


class Visits:
    """Opens visits and closes them all."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._contexts: list[BrowserContext] = []
        self.watch = Watch()

    def __call__(
        self,
        person: Person | None,
        path: str = "/",
        *,
        screen: str = "phone",
        scheme: Any = "light",
        scripts: bool = True,
        scale: float = 1,
    ) -> Page:
        """A tab of a new device, signed in as this person (None: as nobody), at this path."""
        context = self._browser.new_context(
            base_url=self._site.url,
            color_scheme=scheme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="America/Los_Angeles",
            device_scale_factor=scale,
            **SCREENS[screen],
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        self.watch.over(context)
        if person is not None:
            assert person.account_id, f"{person.name} does not sign in"
            name, value = self._site.cookie(person.account_id)
            context.add_cookies([{"name": name, "value": value, "url": self._site.url}])
        page = context.new_page()
        page.goto(path)
        return page

    def close(self) -> None:
        """Leave all pages."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()


def live(page: Page) -> Page:
    """The page, once its light says that it hears of what happens."""
    expect(page.locator("[data-light]")).to_have_attribute("data-state", "live")
    return page


def another_tab(page: Page, path: str) -> Page:
    """A second tab of the same device."""
    tab = page.context.new_page()
    tab.goto(path)
    return tab

"""How whoever reads an email says that they want no more of its kind: by a header for their mail program (RFC 8058), and by a
line at its end for everybody else.

Neither is in the body that is kept, which many readers share: both are added when a message leaves, the same at each attempt.
"""

from __future__ import annotations

from html import escape
from typing import Any

from notify_app.work import unsubscribing

__all__ = ["address", "headers", "html_with", "text_with"]

EMAIL, URGENT = "email", 1
WORDS = "Stop emails of this kind"
# `quiet` is the layout's: its words are lighter where it is dark
LINE = (
    '<div class="quiet" style="margin:-24px auto 0;max-width:600px"><div style="padding:0 32px 32px;color:#6b7280;font:13px/1.5 '
    "-apple-system,BlinkMacSystemFont,'Segoe UI',Helvetica,Arial,sans-serif\">"
    '<a href="{url}" style="color:inherit">{words}</a></div></div>'
)
END = "</body>"


def address(row: Any, category: str | None) -> str:
    """Where the reader of this delivery refuses its kind; '' where it cannot be refused, and where it is of several kinds."""
    if row.channel != EMAIL or row.priority == URGENT or row.purpose != "notification" or not category:
        return ""
    return unsubscribing.address(row.organisation_id, row.person_id, category, row.channel)


def headers(url: str) -> tuple[tuple[str, str], ...]:
    """The two headers of a mail that can be refused at `url`; none where that is ''."""
    if not url:
        return ()
    return ("List-Unsubscribe", f"<{url}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def text_with(text: str, url: str) -> str:
    """The text part with the line at its end."""
    return f"{text.rstrip()}\n{WORDS}: {url}\n" if url else text


def html_with(html: str, url: str) -> str:
    """The HTML with the line at its end; a mail without HTML stays without."""
    if not url or not html:
        return html
    before, end, after = html.rpartition(END)
    line = LINE.format(url=escape(url), words=WORDS)
    return f"{before}{line}{end}{after}" if end else f"{html}{line}"

"""The channels that leave the house, each declared in a file of its own, and the accounts by which they do.

To import this room is to know all channels: every module in it is looked at, and one that holds a declaration makes it
known (docs/add-a-channel.md).
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from notify_app.channels.accounts import OFF, ProviderAccount, asked, build, kept_here, offered

__all__ = ["OFF", "ProviderAccount", "asked", "build", "kept_here", "offered"]

# what a channel's own file is not: what channels share, and their providers, which are imported when they are needed
SHARED = {
    "accounts",
    "addresses",
    "aws",
    "base",
    "email_build",
    "email_ses",
    "email_smtp",
    "http",
    "local",
    "sms_sns",
    "telegram_update",
}

for _found in iter_modules(__path__):
    if _found.name not in SHARED:
        import_module(f"{__name__}.{_found.name}")

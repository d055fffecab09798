"""The channels that leave the house, and the accounts by which they do, chosen once by the settings."""

from __future__ import annotations

from notify_app.channels.accounts import ChannelSettings, ProviderAccount, build

__all__ = ["ChannelSettings", "ProviderAccount", "build"]

"""Golden files work in this folder also where nobody has loaded the plugin for all tests."""

from __future__ import annotations

import pytest

from tests import golden_plugin
from tests.golden_plugin import golden

__all__ = ["golden", "pytest_addoption"]


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    if not pluginmanager.has_plugin(golden_plugin.__name__):
        golden_plugin.pytest_addoption(parser)

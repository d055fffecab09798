"""Each open inbox is a descriptor: whoever starts the web server raises the limit that many systems begin with."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.conftest import ROOT

BEFORE = "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]; resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))"
AFTER = "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"


@pytest.mark.parametrize(
    "action",
    [
        "from notify_app.processes import raise_file_limit; raise_file_limit()",
        "import notify_app.web.gunicorn_conf",
    ],
    ids=["by the supervisor", "by gunicorn's configuration"],
)
def test_the_limit_is_raised_as_far_as_it_may_be(action: str) -> None:
    program = f"{BEFORE}\n{action}\n{AFTER}"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert int(told.stdout) == (65_536 if hard == resource.RLIM_INFINITY else hard)


def test_a_limit_that_is_high_enough_is_left_alone() -> None:
    program = f"from notify_app.processes import raise_file_limit\nimport resource\n{AFTER}\nraise_file_limit()\n{AFTER}"
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    before, after = map(int, told.stdout.split())
    assert after >= before

"""Tests of the plan stay inside of their process; how many examples they try is a profile's matter."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

# The same examples each time, and no search for a smaller one: that can take minutes.
settings.register_profile(
    "default",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# HYPOTHESIS_PROFILE=thorough tries other examples each time; EXAMPLES says how many of them.
settings.register_profile(
    "thorough",
    settings.get_profile("default"),
    derandomize=False,
    max_examples=int(os.environ.get("EXAMPLES", "1000")),
)
settings.register_profile("smallest", settings.get_profile("thorough"), phases=list(Phase)[:-1])


def profile() -> settings:
    """Return the profile that HYPOTHESIS_PROFILE names: default, thorough, or smallest, which shrinks."""
    return settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def _stays_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> Any:
        raise AssertionError("a test of the plan reached out of its process: it belongs in tests/engine")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)

"""Tests of the plan stay inside of their process; how many examples they try is a profile's matter."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "default",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("thorough", settings.get_profile("default"), derandomize=False, max_examples=2000)
settings.register_profile(
    "hunt",
    settings.get_profile("thorough"),
    max_examples=int(os.environ.get("EXAMPLES", "400")),
    phases=[Phase.generate],
)


def profile() -> settings:
    """Return the profile that HYPOTHESIS_PROFILE names: `default` (the same examples each time), `thorough`."""
    name = os.environ.get("HYPOTHESIS_PROFILE", "default")
    return settings.get_profile(name)


@pytest.fixture(autouse=True)
def _stays_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> Any:
        raise AssertionError("a test of the plan reached out of its process: it belongs in tests/engine")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)

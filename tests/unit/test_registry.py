"""The parts of the registry check that need no registry: challenges, origins, what is asked at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup import http_session
from dockerup.authorization import may_name_realm, parse_challenge
from dockerup.connection import share_of
from dockerup.image import Known, parse_reference
from dockerup.logins import Login
from dockerup.registry_memory import Challenge
from dockerup.transport import is_loopback, seconds_wanted
from tests.testbed.site import ask

SHA = "sha256:" + "0123456789abcdef" * 4
REALM = "https://auth.example.com/token"


def test_a_reference_with_a_digest_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_session, "new_session", lambda _connections: pytest.fail("a session was made"))
    pinned = parse_reference(f"nginx:1@{SHA}")
    assert ask([pinned, pinned]) == {
        pinned: Known(SHA)
    }  # it is here; see the tests of logins for one that is not


def test_nothing_to_check_is_an_empty_answer() -> None:
    assert ask([]) == {}


def test_a_login_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Login("me", "hunter2"))


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (
            f'Bearer realm="{REALM}",service="hub",scope="repository:a/b:pull"',
            Challenge("bearer", REALM, "hub", "repository:a/b:pull"),
        ),
        (f'bearer realm="{REALM}"', Challenge("bearer", REALM)),
        (f"Bearer realm={REALM}, service = hub", Challenge("bearer", REALM, "hub")),
        ('Basic realm="Registry, \\"ours\\""', Challenge("basic")),
        ("BASIC", Challenge("basic")),
        (f'Basic realm="x", Bearer realm="{REALM}",service="s"', Challenge("bearer", REALM, "s")),
        ('Basic realm="say Bearer realm=evil"', Challenge("basic")),
        ('Bearer service="no realm"', None),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_a_challenge_is_read_as_the_registry_means_it(header: str, challenge: Challenge | None) -> None:
    assert parse_challenge(header) == challenge


@given(st.one_of(st.text(), st.text(alphabet='Bbearsic ="\\,')))
def test_no_header_breaks_the_reading_of_challenges(header: str) -> None:
    challenge = parse_challenge(header)
    assert challenge is None or challenge.scheme in {"basic", "bearer"}


@pytest.mark.parametrize(
    ("base", "realm", "may"),
    [
        ("https://r.example.com", REALM, True),
        ("https://r.example.com", "http://auth.example.com/token", False),
        ("https://127.0.0.1:5000", "http://127.0.0.1:5001/token", False),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token", True),
        ("http://127.0.0.1:5000", "http://auth.example.com/token", False),
        ("http://127.0.0.1:5000", REALM, True),
        ("https://r.example.com", "file:///etc/passwd", False),
        ("https://r.example.com", "https://", False),
        ("https://r.example.com", "https://me:secret@auth.example.com/", False),
        ("https://r.example.com", "https://auth.example.com:99999/token", False),
        ("https://r.example.com", "https://\x1b[2J/token", False),
        ("http://127.0.0.1:5000", "http://auth.example.com\\@127.0.0.1:5000/token", False),
    ],
)
def test_logins_never_go_over_a_network_in_clear(base: str, realm: str, may: bool) -> None:
    assert may_name_realm(base, realm) is may


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("localhost:5000", True),
        ("[::1]:5000", True),
        ("0.0.0.0:5000", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("[fe80::1]:5000", False),
        ("user@127.0.0.1:1", True),
        ("[:]:5000", False),
        ("", False),
    ],
)
def test_loopback_is_what_the_engine_takes_for_it(host: str, is_one: bool) -> None:
    assert is_loopback(host) is is_one


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Thu, 01 Jan 1970 00:17:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_wait_is_read_from_seconds_or_a_date(header: str, seconds: int) -> None:
    assert seconds_wanted(header, now=1000.0) == seconds


@given(st.text(), st.integers(0, 50))
def test_a_host_of_a_fleet_asks_by_the_same_delay_each_time(host_id: str, most: int) -> None:
    assert 0 <= share_of(host_id, most) == share_of(host_id, most) <= most


def test_the_hosts_of_a_fleet_are_spread_over_the_time() -> None:
    tenths = [int(share_of(f"{number:032x}", 10)) for number in range(1000)]
    assert all(60 < tenths.count(tenth) < 140 for tenth in range(10))

"""What one run tells the next of registries: who answered how, tokens, and who is to be left in peace. Pure.

It is kept in the cache, and a convenience: without it, a registry is asked a few questions more. Times are
seconds since the epoch; a clock that jumped must not silence a registry for longer than anything may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dockerup.image import is_digest
from dockerup.records import dataclass

FIRST_DELAY = 60  # seconds
LONGEST_DELAY = 3600
MOST_ASKED_FOR = 24 * 3600  # seconds that a registry can ask to be left in peace
LONGEST_TOKEN = 24 * 3600
MOST_ENTRIES = 1000  # past that all are forgotten, and looked up anew


@dataclass(frozen=True)
class Away:
    """A registry that could not say what is new, since `since`, and is not asked before `until`.

    `reason` is what was said when it went, `latest` why it is so now. `asked`: it asked for this wait itself.
    `login` marks the login that it refused, "" for none.
    """

    reason: str
    latest: str
    since: float
    until: float
    delay: float
    asked: bool = False
    login: str = ""

    def holds(self, now: float) -> bool:
        """Tell whether the registry is still to be left in peace."""
        return now < self.until <= now + (MOST_ASKED_FOR if self.asked else 2 * LONGEST_DELAY)


def went_away(
    before: Away | None, reason: str, now: float, chance: float, *, asked_for: float = 0, login: str = ""
) -> Away:
    """Return how long a registry is left in peace that failed now: longer each time, an hour at most.

    `asked_for` are the seconds that it wants itself. `chance` from 0 to 1 spreads the hosts of a fleet that
    all saw it go at the same moment.
    """
    delay = FIRST_DELAY if before is None else min(LONGEST_DELAY, max(FIRST_DELAY, before.delay * 2))
    wait = min(asked_for, MOST_ASKED_FOR) if asked_for else min(LONGEST_DELAY, delay * (0.75 + chance / 2))
    return Away(
        reason=before.reason if before is not None else reason,
        latest=reason,
        since=before.since if before is not None else now,
        until=now + wait,
        delay=delay,
        asked=bool(asked_for),
        login=login,
    )


@dataclass(frozen=True)
class Challenge:
    """How a server wants to be logged in to: `scheme` is "basic" or "bearer", the rest is for tokens."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


@dataclass(frozen=True)
class Token:
    """What a server gave for a scope; it counts until a moment."""

    text: str = field(repr=False)
    until: float


def entry_key(digest: str, platform: str) -> str:
    """Return by what the digest is kept that an index, given by its own, names for a platform."""
    return f"{digest} {platform}"


@dataclass(frozen=True)
class Met:
    """What was found out about one server: the URL at which it spoke, its challenge, tokens by scope.

    `entries` are digests that indexes name for a platform: see `entry_key`.
    """

    url: str = ""
    challenge: Challenge | None = None
    tokens: Mapping[str, Token] = field(default_factory=dict)
    entries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegistryMemory:
    """All of it: who is away, by the registry's domain, and what is known of servers, by their names."""

    away: Mapping[str, Away] = field(default_factory=dict)
    met: Mapping[str, Met] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: Mapping[str, Any], now: float) -> RegistryMemory:
        """Return what was kept as JSON; whatever is not as it should be there, or over, is not there."""
        away = {domain: _away(found) for domain, found in _items(kept.get("away"))}
        met = {name: _met(found, now) for name, found in _items(kept.get("met"))}
        return cls({domain: one for domain, one in away.items() if one is not None}, met)

    def after(self, later: RegistryMemory) -> RegistryMemory:
        """Return it with what a later check taught of the servers that it asked; of others all stays."""
        away = {name: one for name, one in self.away.items() if name not in later.met}
        return RegistryMemory({**away, **later.away}, {**self.met, **later.met})

    def as_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold; `of` reads it again."""
        return {
            "away": {domain: dict(vars(one)) for domain, one in self.away.items()},
            "met": {
                name: {
                    "url": one.url,
                    "challenge": dict(vars(one.challenge)) if one.challenge else None,
                    "tokens": {scope: dict(vars(token)) for scope, token in one.tokens.items()},
                    **({"entries": dict(one.entries)} if one.entries else {}),
                }
                for name, one in self.met.items()
            },
        }


def _items(found: object) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(found, Mapping):
        return []
    return [(str(key), value) for key, value in found.items() if isinstance(value, Mapping)]


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _number(found: Mapping[str, Any], key: str) -> float:
    value = found.get(key)
    # Of more than that, 3000 years from now, no date can be made.
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e11 else 0.0


def _away(found: Mapping[str, Any]) -> Away | None:
    reason, since, until = _text(found, "reason"), _number(found, "since"), _number(found, "until")
    if not reason or not until:
        return None
    delay = min(max(_number(found, "delay"), FIRST_DELAY), LONGEST_DELAY)
    latest = _text(found, "latest") or reason
    return Away(reason, latest, since, until, delay, found.get("asked") is True, _text(found, "login"))


def _met(found: Mapping[str, Any], now: float) -> Met:
    told = found.get("challenge")
    challenge = None
    if isinstance(told, Mapping) and _text(told, "scheme") in {"basic", "bearer"}:
        challenge = Challenge(*(_text(told, key) for key in ("scheme", "realm", "service", "scope")))
    tokens = {
        scope: Token(_text(one, "text"), _number(one, "until")) for scope, one in _items(found.get("tokens"))
    }
    good = {
        scope: one for scope, one in tokens.items() if one.text and now < one.until <= now + LONGEST_TOKEN
    }
    return Met(_text(found, "url"), challenge, good, _entries(found.get("entries")))


def _entries(found: object) -> dict[str, str]:
    whole = found if isinstance(found, Mapping) and len(found) <= MOST_ENTRIES else {}
    return {str(key): one for key, one in whole.items() if isinstance(one, str) and is_digest(one)}

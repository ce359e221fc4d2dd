"""The keys of a container's life: its health check, what it waits for, how it is updated and stopped.

Names and forms are those of a containerDefinition of Amazon ECS, times as well in Docker's form ("1m30s"):
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from dockerup import kinds
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, Spelling, object_of
from dockerup.problems import Origin
from dockerup.window import EXAMPLE, PATTERN, InvalidWindowError, parse_window

DAY = 86400  # seconds
# What the engine takes for a time that is left out, and so means the same when it is written.
# Source: moby/daemon/health.go (defaultProbeInterval, defaultProbeTimeout, defaultProbeRetries).
HEALTH_DEFAULTS: Mapping[str, int] = {"interval": 30, "timeout": 30, "retries": 3, "startPeriod": 0}

# The engine's signals by number (moby/sys/signal/signal_linux.go); it refuses other names.
_SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE"),
    *("ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ"),
    *("VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
)
_SIGNAL_ALIASES = {"CLD": "CHLD", "IOT": "ABRT", "POLL": "IO"}
_REAL_TIME = r"RTMIN(?:\+(?:[1-9]|1[0-5]))?|RTMAX(?:-(?:[1-9]|1[0-4]))?"
_SIGNAL = rf"(?:SIG)?(?:{'|'.join([*_SIGNALS, *_SIGNAL_ALIASES])}|{_REAL_TIME})|[1-9]|[12][0-9]|3[01]"

_NOT_BLANK = r"[^\0]*[^\0\s][^\0]*"
_HEALTH_COMMAND = "a command for a shell, or a list that begins with CMD, CMD-SHELL or NONE"
_HEALTH_FIX = 'Write one string for a shell, or ["CMD", "program", "argument"], or ["NONE"].'
_SAYS_HOW = ("command", "test", "disable")
_CONDITIONS = {
    **{word: word for word in ("START", "HEALTHY", "COMPLETE", "SUCCESS")},
    # Compose's
    "service_started": "START",
    "service_healthy": "HEALTHY",
    "service_completed_successfully": "SUCCESS",
}
_DEPENDS_FIX = "Write a list: [db], or [{containerName: db, condition: HEALTHY}]."


def stop_signal() -> Kind:
    """Return the kind of a signal: a name, with or without SIG, or a number as text; read as its one name."""

    return kinds.text(
        'a signal such as "SIGTERM"', _SIGNAL, also=lambda text, _origin: canonical_signal(text)
    )


def canonical_signal(text: str) -> str:
    """Return the one name of a signal that is written as a name, with or without SIG, or as a number."""
    name = _SIGNALS[int(text) - 1] if text.isdigit() else text[3:] if text.startswith("SIG") else text
    return f"SIG{_SIGNAL_ALIASES.get(name, name)}"


def health_check() -> Kind:
    """Return the kind of a health check, read without what is the default, of NONE without all else."""
    keys = {
        "command": Key(
            _health_command(),
            "what tells by exit code 0 that it is well: a string for a shell, "
            '`["CMD", "program", "argument"]`, `["CMD-SHELL", "..."]`, or `["NONE"]` for no check at all; '
            "it has to be there",
            aliases=("test",),
        ),
        "interval": Key(kinds.seconds(1, DAY, "1m30s"), "time between two checks (default 30s)"),
        "timeout": Key(kinds.seconds(1, DAY, "10s"), "time that one check may take (default 30s)"),
        "retries": Key(
            kinds.whole_number(1, 100, "[1-9][0-9]?|100"),
            "failures in a row that make it unhealthy (default 3)",
        ),
        "startPeriod": Key(
            kinds.seconds(0, DAY, "2m"),
            "time after the start in which failures do not count (default 0s)",
            aliases=("start_period",),
        ),
        "startInterval": Key(
            kinds.seconds(1, DAY, "5s"),
            "time between two checks in that time (default: the image's, else 5s)",
            aliases=("start_interval",),
        ),
    }
    disable = Spelling(_only_true(), "`true` is the same as `command: [NONE]`", _no_check)
    whole = object_of(keys, "a health check: an object", {"disable": disable})
    return kinds.checked(whole, _canonical_check, {"anyOf": [{"required": [one]} for one in _SAYS_HOW]})


def _only_true() -> Kind:
    return kinds.choice({True: "true"})


def _no_check(_value: Any, _origin: Origin, _own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"command": ["NONE"]}


def _canonical_check(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "command" not in value:
        refuse(origin, 'the key "command" is missing', f"Write command: {_HEALTH_COMMAND}.")
    if value["command"] == ["NONE"]:
        return {"command": ["NONE"]}
    return {key: part for key, part in value.items() if part != HEALTH_DEFAULTS.get(key)}


def _health_command() -> Kind:
    # A string that begins so is a list that lost its brackets, and no shell knows a command of that name.
    plain = kinds.text(_HEALTH_COMMAND, rf"(?!CMD(?:-SHELL)?(?:[\s,]|$)){_NOT_BLANK}")
    shell = kinds.text("a command for a shell", _NOT_BLANK)
    word = kinds.text("a string", r"[^\0]*")

    def read(value: Any, origin: Origin) -> list[str]:
        if isinstance(value, str):
            return ["NONE"] if value == "NONE" else ["CMD-SHELL", plain.read(value, origin)]
        form = _form(value)
        if not form:
            refuse(origin, f"{kinds.show(value)} is not {_HEALTH_COMMAND}", _HEALTH_FIX)
        one = shell if form == "CMD-SHELL" else word
        return kinds.gather(partial(one.read, part, origin.at(i)) for i, part in enumerate(value))

    schema = {
        "title": _HEALTH_COMMAND,
        "anyOf": [
            plain.schema,
            _begins("CMD", {"items": word.schema, "minItems": 2}),
            _begins("CMD-SHELL", {"items": shell.schema, "minItems": 2, "maxItems": 2}),
            {"type": "array", "items": {"enum": ["NONE"]}, "minItems": 1, "maxItems": 1},
        ],
    }
    return Kind(_HEALTH_COMMAND, read, schema)


def _form(value: object) -> str:
    """Return the word with which a health check's list begins, "" for what is no such list."""
    first = value[0] if isinstance(value, list) and value and isinstance(value[0], str) else ""
    length = len(value) if isinstance(value, list) else 0
    fits = {"NONE": length == 1, "CMD-SHELL": length == 2, "CMD": length > 1}
    return first if fits.get(first) else ""


def _begins(word: str, rest: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [{"enum": [word]}], **rest}


def depends_on(name: Kind) -> Kind:
    """Return the kind of a list of dependencies, given that of a name; read as objects, sorted by name."""
    keys = {
        "containerName": Key(name, "name of the entry to wait for", required=True),
        "condition": Key(
            kinds.choice(_CONDITIONS),
            "`START` (default): it was started, `HEALTHY`: it is proven, `COMPLETE`: it has ended, "
            "`SUCCESS`: it has ended with exit code 0",
        ),
    }
    whole = object_of(keys, "a dependency")

    def read(value: Any, origin: Origin) -> dict[str, str]:
        if isinstance(value, Mapping):
            return {"condition": "START", **whole.read(value, origin)}
        return {"containerName": name.read(value, origin), "condition": "START"}

    one = Kind("a name or {containerName, condition}", read, {"anyOf": [name.schema, whole.schema]})
    several = kinds.list_of(one, "a list of dependencies")
    # As Compose has it: {db: {condition: service_healthy}}.
    by_name = kinds.map_of(
        object_of({"condition": replace(keys["condition"], required=True)}, "an object with a condition"),
        several.says,
        "the name of an entry",
        str(name.schema["pattern"]),
    )

    def read_all(value: Any, origin: Origin) -> list[dict[str, str]]:
        if isinstance(value, Mapping):
            return [
                {"condition": one["condition"], "containerName": other}
                for other, one in by_name.read(value, origin).items()
            ]
        if not isinstance(value, list):
            refuse(origin, f"{kinds.show(value)} is not {several.says}", _DEPENDS_FIX)
        return _one_condition_each(several.read(value, origin), origin)

    return Kind(several.says, read_all, {"title": several.says, "anyOf": [several.schema, by_name.schema]})


def _one_condition_each(value: list[dict[str, str]], origin: Origin) -> list[dict[str, str]]:
    conditions: dict[str, str] = {}
    for one in value:
        name, condition = one["containerName"], one["condition"]
        if conditions.setdefault(name, condition) != condition:
            what = f'"{name}" is listed with {conditions[name]} and with {condition}'
            refuse(origin, what, "Keep one of them.")
    return [{"condition": conditions[name], "containerName": name} for name in sorted(conditions)]


def update() -> Kind:
    """Return the kind of what an entry says of its updates; `order` is read as `eager`."""
    keys = {
        "pull": Key(kinds.truth(), "look in the registry for a newer image (default true)"),
        "eager": Key(
            kinds.truth(), "start the new container before the old one stops, where nothing is in the way"
        ),
        "order": Key(
            kinds.choice({word: word for word in ("stop-first", "start-first")}),
            "`stop-first` (default) or `start-first`, which is the same as `eager: true`",
        ),
        "proveSeconds": Key(
            kinds.whole_number(0, 3600, "0|[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600"),
            "seconds of undisturbed running that prove a container without a health check (default 10)",
        ),
        "rollback": Key(kinds.truth(), "go back to the old container when the new one fails (default true)"),
        "stopTimeout": Key(
            kinds.seconds(0, DAY, "1m30s"), "time that the old container has to stop; by default its own"
        ),
        "window": Key(
            kinds.one_or_list(_window(), f'a window such as "{EXAMPLE}", or a list of them'),
            f"hours in which a newer image may replace the container, such as `{EXAMPLE}`: days and zone "
            "may be left out (each day, UTC); by default any",
        ),
        "minAge": Key(
            kinds.seconds(0, 366 * DAY, "48h"), "how long a newer image has to be out, such as `48h` or `7d`"
        ),
    }
    return kinds.checked(object_of(keys, "an object"), _canonical_update)


def _canonical_update(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    order = value.pop("order", None)
    if order is None:
        return value
    eager = order == "start-first"
    if value.get("eager", eager) != eager:
        said = str(value["eager"]).lower()
        refuse(origin, f"eager: {said} and order: {order} contradict each other", "Leave one out.")
    return dict(sorted({**value, "eager": eager}.items()))


def _window() -> Kind:
    def canonical(text: str, origin: Origin) -> str:
        try:
            return str(parse_window(text))
        except InvalidWindowError as error:
            refuse(origin, error.what, error.fix)

    return kinds.text(f'a window such as "{EXAMPLE}"', PATTERN, also=canonical)

"""The keys of a container's life, from its first start to its end, and of where its output goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup import kinds, lifecycle
from dockerup.keys import words
from dockerup.keys.row import Change, ContainerKey, row, to, without_defaults
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

_NANOSECONDS = 10**9
_SIGNAL = r"(?:SIG)?[A-Z][A-Z0-9+-]{1,9}|[1-9][0-9]?"
_RESTART = {
    word: meant
    for meant, spellings in {
        "always": ("always",),
        "unless-stopped": ("unless-stopped",),
        "on-failure": ("on-failure",),
        "no": ("no", "never", False),
    }.items()
    for word in spellings
}
_LOG_KEYS = {
    "logDriver": Key(
        kinds.text("the name of a log driver", r"[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*"),
        "`json-file`, `local`, `journald`, `awslogs` or another that the engine has",
        required=True,
    ),
    "options": Key(
        words.secrets, "the driver's options; their values are kept out of logs, labels and plans"
    ),
}


def _log_configuration(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return without_defaults({"options": {}}, value)


def _policy(restart: str) -> dict[str, Any]:
    return {"Name": restart, "MaximumRetryCount": 0}


def _check(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a health check with its defaults spelled out: for a 0 the engine takes the value of the image's.

    A start period of 0 cannot be spelled out: with it, the image's counts (merge in moby/daemon/commit.go).
    """
    whole = {**lifecycle.HEALTH_DEFAULTS, **written}
    return {
        "Test": whole["command"],
        "Interval": whole["interval"] * _NANOSECONDS,
        "Timeout": whole["timeout"] * _NANOSECONDS,
        "Retries": whole["retries"],
        "StartPeriod": whole["startPeriod"] * _NANOSECONDS,
    }


def _log(written: Mapping[str, Any]) -> dict[str, Any]:
    return {"Type": written["logDriver"], "Config": written.get("options", {})}


LIFE: Mapping[str, ContainerKey] = {
    "restart": row(
        kinds.choice(_RESTART),
        "`always` (default), `unless-stopped`, `on-failure` or `never` (also `no`)",
        Change.IN_PLACE,
        tell=to("HostConfig.RestartPolicy", _policy),
        default="always",
    ),
    "signal": row(
        kinds.map_of(
            kinds.text("a signal such as HUP", _SIGNAL),
            "an object of container and signal",
            "a container's name",
            words.NAME,
        ),
        "signals to send to other containers after this one starts: `{container: HUP}`",
        Change.NOTHING,
    ),
    "healthCheck": row(
        lifecycle.health_check(),
        "how the engine checks that it is well, instead of the image's",
        tell=to("Healthcheck", _check),
    ),
    "dependsOn": row(
        lifecycle.depends_on(words.name),
        "entries to wait for before this one starts: `[db]` or `[{containerName: db, condition: HEALTHY}]`",
        Change.NOTHING,
        default=[],
    ),
    "update": row(lifecycle.update(), "how updates are made", Change.NOTHING),
    "stopTimeout": row(
        kinds.seconds(0, lifecycle.DAY, "1m30s"),
        "time that it has to stop before it is killed (default 10s)",
        tell=to("StopTimeout"),
    ),
    "stopSignal": row(
        lifecycle.stop_signal(),
        "signal that asks it to stop (default: the image's, else `SIGTERM`)",
        tell=to("StopSignal"),
    ),
    "logConfiguration": row(
        kinds.checked(object_of(_LOG_KEYS, "a log configuration: an object"), _log_configuration),
        "where its output goes, instead of the engine's default",
        tell=to("HostConfig.LogConfig", _log),
        secrets=("options",),
    ),
}

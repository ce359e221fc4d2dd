"""The keys of a container's life, from its first start to its end, and of where its output goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup import kinds, lifecycle
from dockerup.keys import replicas, words
from dockerup.keys.row import Change, ContainerKey, inner_since, row, to, without_defaults
from dockerup.kinds import Kind
from dockerup.objects import Key, object_of
from dockerup.problems import Origin

_NANOSECONDS = 10**9
_SIGNAL = r"(?:SIG)?[A-Z][A-Z0-9+-]{1,9}|[1-9][0-9]?"
_RETRIES = r"on-failure:(?:0|[1-9][0-9]{0,8})"
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
        aliases=("driver",),
    ),
    "options": Key(
        words.secrets, "the driver's options; their values are kept out of logs, labels and plans"
    ),
}


# Printed by ECS for each container.
_LOG_SPELLINGS = {
    "secretOptions": words.empty_list(
        "its values are in AWS", "Write options, whose values are kept out of logs, labels and plans."
    )
}


def _restart() -> Kind:
    word = kinds.choice(_RESTART)
    counted = kinds.text(word.says, _RETRIES)

    def read(value: Any, origin: Origin) -> str:
        if isinstance(value, str) and value.startswith("on-failure:"):
            text = counted.read(value, origin)
            return "on-failure" if text == "on-failure:0" else text
        return str(word.read(value, origin))

    return Kind(word.says, read, {"title": word.says, "anyOf": [word.schema, counted.schema]})


def _log_configuration(value: dict[str, Any], _origin: Origin) -> dict[str, Any]:
    return without_defaults({"options": {}}, value)


def policy(restart: str) -> dict[str, Any]:
    """Return a restart policy as the engine is told of it."""
    name, _, count = restart.partition(":")
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def _check(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a health check with its defaults spelled out: for a 0 the engine takes the value of the image's.

    A start period of 0 cannot be spelled out: with it, the image's counts (merge in moby/daemon/commit.go).
    """
    whole = {**lifecycle.HEALTH_DEFAULTS, **written}
    # The image's time between checks in the start period counts where the entry names none.
    own = {"StartInterval": written["startInterval"] * _NANOSECONDS} if "startInterval" in written else {}
    return {
        **own,
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
        _restart(),
        "`always` (default), `unless-stopped`, `on-failure`, `on-failure:5` (five times at most), or "
        "`never` (also `no`)",
        Change.IN_PLACE,
        tell=to("HostConfig.RestartPolicy", policy),
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
        aliases=("healthcheck",),
        needs=inner_since({"startInterval": "1.44"}),
    ),
    "dependsOn": row(
        lifecycle.depends_on(words.name),
        "entries to wait for before this one starts: `[db]` or `[{containerName: db, condition: HEALTHY}]`",
        Change.NOTHING,
        aliases=("depends_on",),
        default=[],
    ),
    "update": row(lifecycle.update(), "how updates are made", Change.NOTHING),
    "stopTimeout": row(
        kinds.seconds(0, lifecycle.DAY, "1m30s"),
        "time that it has to stop before it is killed (default 10s)",
        tell=to("StopTimeout"),
        aliases=("stop_grace_period",),
    ),
    "stopSignal": row(
        lifecycle.stop_signal(),
        "signal that asks it to stop (default: the image's, else `SIGTERM`)",
        tell=to("StopSignal"),
        aliases=("stop_signal",),
    ),
    "replicas": row(
        replicas.replicas(),
        "how many containers it is: `NAME-1`, `NAME-2` and so on, replaced one after another",
        Change.NOTHING,
        aliases=("scale",),
    ),
    "startTimeout": row(
        kinds.seconds(1, lifecycle.DAY, "2m"),
        "time that it has to prove itself, instead of the setting `health_timeout`",
        Change.NOTHING,
    ),
    "logConfiguration": row(
        kinds.checked(
            object_of(_LOG_KEYS, "a log configuration: an object", _LOG_SPELLINGS), _log_configuration
        ),
        "where its output goes, instead of the engine's default",
        tell=to("HostConfig.LogConfig", _log),
        aliases=("logging",),
        secrets=("options",),
    ),
}

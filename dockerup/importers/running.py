"""What runs on an engine: a container's settings less what its image gives.

Source: GET /containers/{id}/json and GET /images/{name}/json of the Engine API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dockerup.importers.draft import Draft, Entry, Imported
from dockerup.importers.running_host import Defaults, bring_host_config, part
from dockerup.importers.running_networks import bring_networks
from dockerup.likeness_forms import TOOL_LABELS
from dockerup.records import dataclass

_SECOND = 10**9
_HEALTH_TIMES = {
    "Interval": "interval",
    "Timeout": "timeout",
    "StartPeriod": "startPeriod",
    "StartInterval": "startInterval",
}


@dataclass(frozen=True)
class Found:
    """A container and its image, as the engine tells of them; an image that is gone is {}."""

    container: Mapping[str, Any]
    image: Mapping[str, Any]


def imported(found: Sequence[Found], engine: str, defaults: Defaults) -> Imported:
    """Return what some containers mean here."""
    names = {str(one.container.get("Id", "")): _name(one.container) for one in found}
    entries = [_entry(one, names, defaults) for one in found]
    said = Draft()
    said.said("", "what a container has from its image is left out, so that a newer image's comes through")
    return Imported(f"what runs on {engine}", tuple(entries), tuple(said.notes))


def _name(container: Mapping[str, Any]) -> str:
    return str(container.get("Name") or "").lstrip("/")


def _entry(found: Found, names: Mapping[str, str], defaults: Defaults) -> Entry:
    container, config = found.container, part(found.container, "Config")
    given = part(found.image, "Config")
    draft = Draft(_name(container))
    draft.put("name", _name(container))
    _bring_image(draft, config, container)
    _bring_command(draft, config, given)
    _bring_config(draft, config, given, container)
    _bring_health(draft, config.get("Healthcheck"), given.get("Healthcheck"))
    bring_host_config(draft, container, given, names, defaults)
    bring_networks(draft, container, names)
    return draft.entry


def _bring_image(draft: Draft, config: Mapping[str, Any], container: Mapping[str, Any]) -> None:
    image = str(config.get("Image") or container.get("Image") or "")
    draft.put("image", image)
    if re.fullmatch(r"(?:sha256:)?[0-9a-f]{12,64}", image):
        draft.decide("image", "it runs an image by its id: write a name that a registry knows")


def _bring_command(draft: Draft, config: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """An entrypoint of one's own takes the image's command away as well (merge in moby/daemon/commit.go)."""
    entrypoint, command = _strings(config.get("Entrypoint")), _strings(config.get("Cmd"))
    own_entrypoint = entrypoint != _strings(given.get("Entrypoint"))
    image_command = _strings(given.get("Cmd"))
    if own_entrypoint or (image_command and not command):
        draft.put("entrypoint", entrypoint)
        draft.put("command", command)
    elif command != image_command:
        draft.put("command", command)


def _strings(value: Any) -> list[str]:
    several = value if isinstance(value, (list, tuple)) else [value] if isinstance(value, str) else []
    return [str(one) for one in several]


def _bring_config(
    draft: Draft, config: Mapping[str, Any], given: Mapping[str, Any], container: Mapping[str, Any]
) -> None:
    from_image = set(_strings(given.get("Env")))
    env = [one.partition("=") for one in _strings(config.get("Env")) if one not in from_image]
    draft.put("env", {name: value for name, _, value in env if name})
    theirs = part(given, "Labels")
    labels = {k: str(v) for k, v in part(config, "Labels").items() if theirs.get(k) != v}
    draft.put("labels", {key: value for key, value in labels.items() if not key.startswith(TOOL_LABELS)})
    for key, ours in (("WorkingDir", "workingDirectory"), ("User", "user"), ("StopSignal", "stopSignal")):
        if config.get(key) and config.get(key) != given.get(key):
            draft.put(ours, str(config[key]))
    hostname = str(config.get("Hostname") or "")
    shares = str(part(container, "HostConfig").get("NetworkMode") or "").partition(":")[0]
    by_id = str(container.get("Id", "")).startswith(hostname)
    if hostname and not by_id and shares not in ("host", "container"):
        draft.put("hostname", hostname)
    draft.put("domainname", str(config.get("Domainname") or ""))
    draft.put("interactive", bool(config.get("OpenStdin")) or None)
    draft.put("pseudoTerminal", bool(config.get("Tty")) or None)
    if isinstance(config.get("StopTimeout"), int):
        draft.put("stopTimeout", f"{config['StopTimeout']}s")
    _bring_exposed(draft, config, given, container)


def _bring_exposed(
    draft: Draft, config: Mapping[str, Any], given: Mapping[str, Any], container: Mapping[str, Any]
) -> None:
    published = part(part(container, "HostConfig"), "PortBindings")
    own = [one for one in part(config, "ExposedPorts") if one not in part(given, "ExposedPorts")]
    draft.put("expose", [one.removesuffix("/tcp") for one in sorted(own) if one not in published])


def _bring_health(draft: Draft, check: Any, given: Any) -> None:
    if not isinstance(check, Mapping) or check == given:
        return
    test = _strings(check.get("Test"))
    inherits = not test or (isinstance(given, Mapping) and test == _strings(given.get("Test")))
    found: dict[str, Any] = {"command": test or _strings(part({"given": given}, "given").get("Test"))}
    for key, ours in _HEALTH_TIMES.items():
        nanoseconds = check.get(key)
        if isinstance(nanoseconds, int) and nanoseconds > 0:
            found[ours] = f"{max(1, -(-nanoseconds // _SECOND))}s"
    if isinstance(check.get("Retries"), int) and check["Retries"] > 0:
        found["retries"] = check["Retries"]
    if found["command"]:
        draft.put("healthCheck", {"command": ["NONE"]} if test == ["NONE"] else found)
    if inherits and found["command"]:
        draft.said("healthCheck", "its times are its own, its command the image's: both are written")

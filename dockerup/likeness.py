"""Whether a container that somebody else made is what dockerup would make of an entry. Pure.

The body of the create call, with what the image and the engine add to it, is compared field by field with
what the engine tells of the container (merge in moby/daemon/commit.go, adaptContainerSettings in
moby/daemon/daemon_unix.go). A field that is not known here has to say nothing: what cannot be compared is
taken to differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable

from dockerup import likeness_forms as forms
from dockerup.body import create_body
from dockerup.image import InvalidReferenceError, parse_reference
from dockerup.keys import CONTAINER_KEYS
from dockerup.keys.networks import endpoint
from dockerup.keys.row import Change
from dockerup.snapshot import Asked
from dockerup.spec import ContainerSpec

# Who was attached to the call that made it, how large that terminal was, what building on its image does,
# and what is of Windows.
_NO_MATTER = frozenset({"AttachStdin", "AttachStdout", "AttachStderr", "OnBuild", "ArgsEscaped"})
_NO_MATTER_TO_HOST = frozenset({"ConsoleSize", "ContainerIDFile"})
# Compared together, since there are several ways to ask for one mount.
_MOUNTS = frozenset({"Binds", "Mounts", "Tmpfs"})
# The keys without a part of their own in the body, that are compared all the same.
_COMPARED = frozenset({"networks"})


def unlike(
    asked: Asked, spec: ContainerSpec, ids: Mapping[str, str], api: tuple[int, int]
) -> tuple[str, ...]:
    """Return the fields in which a container is not what its entry asks for, () when it is that in all.

    `ids` are those of the containers on this host, by name. No values: they may be secrets.
    """
    missing = [name for name in spec.bound_to if name not in ids]
    if missing:
        return tuple(missing)
    if not asked.image:
        return ("its image is gone",)
    untold = [
        key
        for key in spec.definition
        if CONTAINER_KEYS[key].tell is None
        and CONTAINER_KEYS[key].change is not Change.NOTHING
        and key not in _COMPARED
    ]
    try:
        found = {*_differing(asked, spec, ids, api)}
    except (AttributeError, KeyError, TypeError, ValueError, IndexError):
        return ("the engine tells what is not known here",)
    return tuple(sorted({*untold, *found}))


def _differing(
    asked: Asked, spec: ContainerSpec, ids: Mapping[str, str], api: tuple[int, int]
) -> Iterable[str]:
    body = create_body(spec, {}, (), ids, api)
    host = {**body.pop("HostConfig")}
    body.pop("NetworkingConfig", None)
    found, found_host = asked.container["Config"], asked.container["HostConfig"]
    wanted = forms.merged(body, asked.image.get("Config") or {})
    wanted["Hostname"] = wanted.get("Hostname") or _hostname(asked, host)
    yield from _fields(wanted, found, _config_forms(asked), _NO_MATTER)
    wanted_host = forms.with_defaults(host, found_host, asked.engine)
    yield from _fields(wanted_host, found_host, _host_forms(wanted_host, ids), _NO_MATTER_TO_HOST | _MOUNTS)
    if forms.mounts(wanted, wanted_host) != forms.mounts(found, found_host):
        yield "Mounts"
    if not _same_networks(asked.container, spec):
        yield "Networks"


Form = Callable[[Any], Any]


def _fields(
    wanted: Mapping[str, Any], found: Mapping[str, Any], form_of: Mapping[str, Form], but: Iterable[str]
) -> Iterable[str]:
    for key in (wanted.keys() | found.keys()) - {*but}:
        form = form_of.get(key, forms.plain)
        if form(wanted.get(key)) != form(found.get(key)):
            yield key


def _hostname(asked: Asked, host: Mapping[str, Any]) -> str:
    """Return the host name of a container that was given none."""
    mode = str(host.get("NetworkMode"))
    if mode == "host":
        return str(asked.engine.get("Name") or "")
    if mode.startswith("container:"):
        return str(asked.container["Config"].get("Hostname") or "")  # the other one's; it can have no own
    return str(asked.container["Id"])[:12]


def _config_forms(asked: Asked) -> Mapping[str, Form]:
    joins = str(asked.container["HostConfig"].get("NetworkMode")).startswith("container:")
    keeps_open = asked.container["Config"].get("OpenStdin")
    return {
        "Cmd": forms.words,
        "Domainname": (lambda _: None) if joins else forms.plain,
        "Entrypoint": forms.words,
        "Env": forms.variables,
        "ExposedPorts": forms.keys,
        "Healthcheck": forms.health,
        "Image": _image,
        "Labels": forms.own_labels,
        # Its input ends with the first that is attached, where there is one at all.
        "StdinOnce": forms.plain if keeps_open else lambda _: None,
        "StopSignal": forms.stop_signal,
        "StopTimeout": lambda value: 10 if value is None else value,
        "Volumes": lambda _: None,  # with the mounts
    }


def _image(reference: Any) -> str:
    try:
        return parse_reference(str(reference)).familiar
    except InvalidReferenceError:
        return f"? {reference}"


def _host_forms(wanted: Mapping[str, Any], ids: Mapping[str, str]) -> Mapping[str, Form]:
    def links(value: Any) -> Any:
        return sorted(forms.link(one, ids) for one in value or ())

    def volumes_from(value: Any) -> Any:
        return sorted(forms.volumes_from(one, ids) for one in value or ())

    def security(value: Any) -> Any:
        return forms.security(value, wanted)

    def joined(value: Any) -> Any:
        return forms.joined(value, ids)

    return {
        **forms.HOST,
        **dict.fromkeys(("NetworkMode", "IpcMode", "PidMode"), joined),
        "Links": links,
        "SecurityOpt": security,
        "VolumesFrom": volumes_from,
    }


def _same_networks(container: Mapping[str, Any], spec: ContainerSpec) -> bool:
    """Tell whether a container is on the networks of its entry alone, under the same names and addresses."""
    found = (container.get("NetworkSettings") or {}).get("Networks") or {}
    own = {str(container["Id"])[:12], str(container["Name"]).lstrip("/")}
    if spec.networks:
        return found.keys() == spec.networks.keys() and all(
            forms.endpoint(endpoint(spec.definition, name), own, dict(spec.networks[name]))
            == forms.endpoint(found[name], own, dict(spec.networks[name]))
            for name in spec.networks
        )
    if spec.joins or spec.definition.get("disableNetworking"):
        return not found
    return set(found) == {spec.network} and forms.endpoint(found[spec.network], own, {}) == (
        forms.endpoint({}, own, {})
    )

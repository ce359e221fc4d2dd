"""The volumes, tmpfs mounts, secrets and configs of a Compose service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup.importers import forms
from dockerup.importers.compose_project import Project
from dockerup.importers.draft import Draft
from dockerup.importers.reading import OddError, filled, mapped, sized, text, texts, truth, whole

_BIND = {"propagation": "propagation", "selinux": "selinux", "create_host_path": "createHostPath"}


def bring_volumes(draft: Draft, service: Mapping[str, Any], project: Project) -> None:
    """Bring over what a service mounts. What is not what it should be is noted."""
    for key, bring in (("volumes", _volume), ("tmpfs", _tmpfs), ("secrets", _secret), ("configs", _config)):
        written = service.get(key)
        several = written if isinstance(written, list) else [] if written is None else [written]
        for one in several:
            try:
                bring(draft, one, project)
            except OddError as odd:
                draft.left(key, str(odd))


def _volume(draft: Draft, one: Any, project: Project) -> None:
    if isinstance(one, dict):
        _long_volume(draft, one, project)
        return
    mount = forms.volume(text(one))
    draft.add("volumes", [_named(mount, project)])


def _named(mount: dict[str, Any], project: Project) -> dict[str, Any]:
    """Return a mount with the engine's name of its volume, and the options that the volume is made with."""
    if "volume" not in mount:
        return mount
    key = mount["volume"]
    if key not in project.volumes:
        raise OddError(f'there is no volume "{key}" at the top level')
    name, options = project.volumes[key]
    options = {**options, **mount.get("volumeOptions", {})}
    return {**mount, "volume": name, **({"volumeOptions": options} if options else {})}


def _long_volume(draft: Draft, written: Mapping[str, Any], project: Project) -> None:
    kind = text(written.get("type") or "volume")
    target = filled(written.get("target") or "")
    for key in written:
        if key not in {"type", "source", "target", "read_only", kind, "consistency"} and key[:2] != "x-":
            draft.left(f"volumes.{key}", "this key is not known with this type of volume")
    options = mapped(written.get(kind) or {})
    mount: dict[str, Any] = {"containerPath": target}
    if truth(written.get("read_only") or False):
        mount["mode"] = "ro"
    if kind == "tmpfs":
        _long_tmpfs(draft, target, options)
    elif kind == "bind":
        mount["hostPath"] = filled(written.get("source") or "")
        draft.add("volumes", [{**mount, **_bind_options(draft, options)}])
    elif kind == "volume":
        if written.get("source") is not None:
            mount["volume"] = text(written["source"])
        own = _volume_options(draft, options)
        draft.add("volumes", [_named({**mount, **({"volumeOptions": own} if own else {})}, project)])
    elif kind == "image":
        more = {"subpath": text(options["subpath"])} if options.get("subpath") else {}
        draft.add("volumes", [{**mount, "image": filled(written.get("source") or ""), **more}])
    else:
        raise OddError("this type of volume is not of Linux, or of Swarm")


def _bind_options(draft: Draft, options: Mapping[str, Any]) -> dict[str, Any]:
    bind: dict[str, Any] = {}
    for key, value in options.items():
        if key == "create_host_path":
            if not truth(value):
                bind["createHostPath"] = False
        elif key in _BIND:
            bind[_BIND[key]] = text(value)
        elif key == "recursive" and value in ("disabled", "writable", "readonly", "enabled"):
            name = {"disabled": "nonRecursive", "writable": "readOnlyNonRecursive"}.get(value)
            name = "readOnlyForceRecursive" if value == "readonly" else name
            bind.update({name: True} if name else {})
        else:
            draft.left(f"volumes.bind.{key}", "this key is not known")
    return {"bind": bind} if bind else {}


def _volume_options(draft: Draft, options: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in options.items():
        if key == "nocopy":
            found.update({"noCopy": True} if truth(value) else {})
        elif key == "subpath":
            found["subpath"] = text(value)
        else:
            draft.left(f"volumes.volume.{key}", "this key is not known")
    return found


def _long_tmpfs(draft: Draft, target: str, options: Mapping[str, Any]) -> None:
    mount: dict[str, Any] = {"containerPath": target}
    for key, value in options.items():
        if key == "size":
            mount["size"] = sized(value)
        elif key == "mode":
            # A whole number in YAML 1.2 is of the decimal system; people write 01777, which stays a text.
            mount["mode"] = forms.mode(value if isinstance(value, str) else f"{whole(value):o}")
        else:
            draft.left(f"volumes.tmpfs.{key}", "this key is not known")
    draft.add("tmpfs", [mount])


def _tmpfs(draft: Draft, one: Any, _project: Project) -> None:
    draft.add("tmpfs", [forms.tmpfs(form) for form in texts(one)])


def _secret(draft: Draft, one: Any, project: Project) -> None:
    _file(draft, one, project.secrets, "secrets", "/run/secrets/")


def _config(draft: Draft, one: Any, project: Project) -> None:
    _file(draft, one, project.configs, "configs", "/")


def _file(draft: Draft, one: Any, files: Mapping[str, str], kind: str, place: str) -> None:
    """Bring a secret or config over as Compose gives it: a file of the host, mounted read-only."""
    written = mapped(one) if isinstance(one, dict) else {"source": text(one)}
    source = text(written.get("source") or "")
    target = text(written.get("target") or source)
    path = target if target.startswith("/") else f"{place}{target}"
    for key in sorted(written.keys() - {"source", "target"}):
        draft.said(
            f"{kind}.{key}", "the file keeps the owner and mode that it has on the host, as with Compose"
        )
    if source not in files:
        draft.decide(kind, f'"{source}" is no file that the project names: mount one at {path}')
        return
    draft.add("volumes", [{"hostPath": files[source], "containerPath": path, "mode": "ro"}])

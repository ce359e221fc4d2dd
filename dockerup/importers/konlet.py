"""Google's container declarations: the value of the metadata key `gce-container-declaration`.

Source: GoogleCloudPlatform/konlet, gce-containers-startup: types/api.go (the format), runtime/runtime.go (the
call that creates the container) and volumes/volumes.go (what is mounted on the host before).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dockerup import document
from dockerup.importers.draft import Draft, Imported, Table, fill, plain
from dockerup.importers.reading import OddError, filled, listed, mapped, text, texts, truth, whole
from dockerup.problems import DockerupError

KEY = "gce-container-declaration"
_MOUNTS = "/mnt/disks/gce-containers-mounts/gce-persistent-disks"
_RESTART = {"Always": None, "OnFailure": "on-failure", "Never": "no"}
# scripts/konlet-startup and runtime.go: each container's log is a file that is rotated.
_LOG = {"logDriver": "json-file", "options": {"max-size": "500m", "max-file": "3"}}
Volumes = Mapping[str, Mapping[str, Any]]


def imported(source: str, written: str) -> Imported:
    """Return what a declaration means here; also one inside of an instance, as `gcloud ... describe` has it.

    Raises InvalidInputError for what is no YAML, DockerupError for what is no declaration.
    """
    said = Draft()
    spec = _spec(_declaration(document.load(written, source).value, source), source)
    volumes = _volumes(spec.get("volumes"), said)
    containers = spec.get("containers")
    entries = [
        _container(one, i, spec, volumes).entry
        for i, one in enumerate(containers if isinstance(containers, list) else [])
    ]
    if len(entries) > 1:
        said.said("spec.containers", "konlet ran the first one alone; here are all of them")
    for key in sorted(spec.keys() - {"containers", "volumes", "restartPolicy"}):
        said.left(f"spec.{key}", "this key is not known")
    return Imported(f"the container declaration {source}", tuple(entries), tuple(said.notes))


def _declaration(value: Any, source: str) -> Any:
    """Return the declaration, be it the whole document or an item of an instance's metadata."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    items = metadata.get("items") if isinstance(metadata, dict) else None
    for one in items if isinstance(items, list) else []:
        if isinstance(one, dict) and one.get("key") == KEY and isinstance(one.get("value"), str):
            return document.load(one["value"], f"{source}: {KEY}").value
    return value


def _spec(value: Any, source: str) -> dict[str, Any]:
    spec = value.get("spec") if isinstance(value, dict) else None
    if not isinstance(spec, dict):
        raise DockerupError(f'{source}: this is no container declaration: it has no object "spec"')
    return {str(key): part for key, part in spec.items() if part is not None}


def _volumes(value: Any, said: Draft) -> Volumes:
    found: dict[str, Mapping[str, Any]] = {}
    for i, one in enumerate(value if isinstance(value, list) else []):
        name = one.get("name") if isinstance(one, dict) else None
        if isinstance(name, str):
            found[name] = one
        else:
            said.left(f"spec.volumes[{i}]", "it has no name")
    return found


def _container(value: Any, i: int, spec: Mapping[str, Any], volumes: Volumes) -> Draft:
    draft = Draft(f"spec.containers[{i}]")
    written = value if isinstance(value, dict) else {}
    fill(draft, {key: part for key, part in written.items() if key != "volumeMounts"}, _TABLE)
    draft.put("network", "host")
    draft.put("logConfiguration", _LOG)
    _bring_restart(draft, spec.get("restartPolicy"))
    mounts = written.get("volumeMounts")
    for one in mounts if isinstance(mounts, list) else []:
        try:
            _bring_mount(draft, mapped(one), volumes)
        except OddError as odd:
            draft.left("volumeMounts", str(odd))
    draft.said("network", "konlet gave each container the host's network: ports need no mapping")
    return draft


def _bring_restart(draft: Draft, policy: Any) -> None:
    if policy is None:
        return
    if not isinstance(policy, str) or policy not in _RESTART:
        draft.left("restartPolicy", "this policy is not known: it is always restarted")
        return
    draft.put("restart", _RESTART[policy])


def _bring_mount(draft: Draft, mount: Mapping[str, Any], volumes: Volumes) -> None:
    name, path = filled(mount.get("name", "")), filled(mount.get("mountPath", ""))
    for key in sorted(mount.keys() - {"name", "mountPath", "readOnly"}):
        draft.left(f"volumeMounts.{key}", "this key is not known")
    if name not in volumes:
        raise OddError(f'there is no volume "{name}"')
    mode = {"mode": "ro"} if truth(mount.get("readOnly") or False) else {}
    volume = volumes[name]
    kinds = [key for key in ("hostPath", "emptyDir", "gcePersistentDisk") if volume.get(key) is not None]
    if len(kinds) != 1:
        raise OddError(f'the volume "{name}" is not of one kind')
    options = mapped(volume[kinds[0]])
    if kinds[0] == "hostPath":
        place = filled(options.get("path", ""))
        draft.add("volumes", [{"hostPath": place, "containerPath": path, **mode}])
    elif kinds[0] == "emptyDir":
        _bring_memory(draft, options, path, mode)
    else:
        place = _disk(draft, options, read_only=bool(mode))
        draft.add("volumes", [{"hostPath": place, "containerPath": path, **mode}])


def _bring_memory(draft: Draft, options: Mapping[str, Any], path: str, mode: Mapping[str, str]) -> None:
    if options.get("medium") != "Memory":
        draft.decide("volumes.emptyDir", "konlet refuses another medium than Memory: a tmpfs is written")
    for key in sorted(options.keys() - {"medium"}):
        draft.left(f"volumes.emptyDir.{key}", "this key is not known")
    # konlet mounted it on the host, without the engine's noexec, nosuid and nodev.
    options_of_mount = ["dev", "exec", "suid", *(["ro"] if mode else [])]
    draft.add("tmpfs", [{"containerPath": path, "mountOptions": options_of_mount}])
    draft.said("volumes.emptyDir", "konlet kept it until a reboot; here it is empty after each start")


def _disk(draft: Draft, options: Mapping[str, Any], *, read_only: bool) -> str:
    """Return where a disk has to be mounted, and say how: no container can do that itself."""
    disk = filled(options.get("pdName", ""))
    device = f"/dev/disk/by-id/google-{disk}"
    if options.get("partition") is not None and whole(options["partition"]) > 0:
        device += f"-part{whole(options['partition'])}"
    kind = text(options.get("fsType") or "ext4")
    for key in sorted(options.keys() - {"pdName", "partition", "fsType"}):
        draft.left(f"volumes.gcePersistentDisk.{key}", "this key is not known")
    place = f"{_MOUNTS}/{disk}"
    mounted = f"{'ro' if read_only else 'defaults'},nofail,x-systemd.before=docker.service"
    what = (
        f"konlet mounted this disk; now /etc/fstab has to (after mkdir -p {place}): "
        f"{device} {place} {kind} {mounted} 0 2"
    )
    draft.decide(f"volumes.gcePersistentDisk {disk}", what)
    return place


def _env(draft: Draft, value: Any) -> None:
    for one in listed(value):
        variable = mapped(one)
        draft.merge("env", {filled(variable.get("name", "")): text(variable.get("value") or "")})
        for key in sorted(variable.keys() - {"name", "value"}):
            draft.left(f"env.{key}", "konlet knows no other values than plain ones")


def _security(draft: Draft, value: Any) -> None:
    for key, part in mapped(value).items():
        if key == "privileged":
            draft.put("privileged", truth(part or False) or None)
        else:
            draft.left(f"securityContext.{key}", "this key is not known")


def _flag(key: str) -> Any:
    return plain(key, lambda value: truth(value) or None)


_TABLE: Table = {
    "name": plain("name", filled),
    "image": plain("image", filled),
    "command": plain("entrypoint", texts),
    "args": plain("command", texts),
    "env": _env,
    "securityContext": _security,
    "stdin": _flag("interactive"),
    "tty": _flag("pseudoTerminal"),
}

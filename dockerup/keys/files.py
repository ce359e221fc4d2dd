"""Keys whose values are in files: `envFiles`, `labelFiles`, `secrets`, profiles. Pure: another reads them.

The form of an env file is that of `docker run --env-file` (opts/file.go of the docker command): NAME=VALUE on
each line, the value as it stands, quotes and all; lines that are blank or begin with # mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any, Callable

from dockerup import kinds
from dockerup.keys import words
from dockerup.keys.row import Bonds, without_defaults
from dockerup.keys.volumes import file_mode
from dockerup.kinds import Kind, refuse
from dockerup.objects import Key, object_of
from dockerup.problems import InvalidInputError, Origin
from dockerup.records import dataclass

LIMIT_BYTES = 1 << 19  # of a file; Swarm's secrets have 500 KB at most
# Returns the bytes of a file that nobody else can have written; raises InvalidInputError, FileNotFoundError.
ReadFile = Callable[[str], bytes]
_DIRECTORY = "/run/secrets"  # where Swarm and Compose put them
_DEFAULT_MODE = "0444"
_SECCOMP = "seccomp="

_file = kinds.text("an absolute path", r"/[^\0\n]*")
_SECRET_KEYS = {
    "file": Key(_file, "file on the host that holds it", required=True),
    "env": Key(kinds.text("the name of a variable", r"[^=\0\n]+"), "give it as this environment variable"),
    "path": Key(
        words.path, "give it as a file at this path (default `/run/secrets/NAME`)", aliases=("target",)
    ),
    "mode": Key(file_mode(), 'permissions of that file (default `"0444"`)'),
}


@dataclass(frozen=True)
class SecretFile:
    """A secret that a container gets as a file: its name on the host, its permissions and content."""

    file_name: str
    mode: int
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class FromFiles:
    """What an entry says with its files: `env`, `labels`, `secrets`, and the secrets that are files.

    `options` are its security options, with profiles in the place of their paths.
    """

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
    secrets: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[SecretFile, ...] = ()


def env_files() -> Kind:
    """A list of paths, or one."""
    return kinds.one_or_list(_file, "a list of absolute paths")


def secrets() -> Kind:
    """An object of secrets, each with the file that holds it."""
    one = kinds.checked(object_of(_SECRET_KEYS, "a secret: an object with file"), _secret)
    whole = kinds.map_of(
        one, "an object of secrets", "the name of a secret", r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}"
    )
    none = words.empty_list("ECS's secrets are in AWS", "Write {NAME: {file: PATH, env: VARIABLE}}.").kind

    def read(value: Any, origin: Origin) -> dict[str, Any]:
        if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
            return dict(none.read(value, origin))
        found: dict[str, Any] = whole.read(value, origin)
        return found

    return Kind(whole.says, read, {"title": whole.says, "anyOf": [whole.schema, none.schema]})


def _secret(value: dict[str, Any], origin: Origin) -> dict[str, Any]:
    if "env" in value and value.keys() & {"path", "mode"}:
        refuse(origin.at("env"), "a secret is a variable or a file", "Write env, or path and mode.")
    return without_defaults({"mode": _DEFAULT_MODE}, value)


def tell_secrets(value: Mapping[str, Mapping[str, str]], bonds: Bonds) -> Mapping[str, Any]:
    """Return what the create call has of the secrets that are files.

    A mount, not a bind: where its source is gone the start fails, and no directory is made in its place.
    """
    mounts = [
        {
            "Type": "bind",
            "Source": f"{bonds.secrets}/{_file_name(name, one)}",
            "Target": one["path"],
            "ReadOnly": True,
        }
        for name, one in value.items()
    ]
    return {"HostConfig": {"Mounts": mounts}}


def _file_name(name: str, one: Mapping[str, str]) -> str:
    return f"{name}.{one['content']}.{one.get('mode', _DEFAULT_MODE)}"


def from_files(entry: str, written: Mapping[str, Any], origin: Origin, read: ReadFile | None) -> FromFiles:
    """Return what the files say that an entry names; nothing where no file can be `read`.

    Raises Refused, with all that is wrong with them.
    """
    if read is None:
        return FromFiles()
    env = {**_listed("envFiles", _env_of, written, origin, read), **written.get("env", {})}
    labels = {**_listed("labelFiles", _labels_of, written, origin, read), **written.get("labels", {})}
    told: dict[str, Any] = {}
    files: list[SecretFile] = []
    for name, one in written.get("secrets", {}).items():
        where = origin.at("secrets", name)
        content = _read(one["file"], where.at("file"), read)
        if "env" in one:
            env[_new_name(one["env"], written, where)] = _as_text(content, where.at("file"))
            continue
        mode = one.get("mode", _DEFAULT_MODE)
        told[name] = {
            "path": one.get("path", f"{_DIRECTORY}/{name}"),
            "content": _digest(entry, name, content),
            **without_defaults({"mode": _DEFAULT_MODE}, {"mode": mode}),
        }
        files.append(SecretFile(_file_name(name, told[name]), int(mode, 8), content))
    options = _with_profiles(written, origin, read)
    return FromFiles(dict(sorted(env.items())), dict(sorted(labels.items())), options, told, tuple(files))


def _listed(
    key: str,
    read_one: Callable[[bytes, str, Origin], dict[str, str]],
    written: Mapping[str, Any],
    origin: Origin,
    read: ReadFile,
) -> dict[str, str]:
    """Return what the files say that a key lists, the later ones over the earlier ones."""

    def reading(path: str, where: Origin) -> dict[str, str]:
        return read_one(_read(path, where, read), path, where)

    readings = [partial(reading, path, origin.at(key, i)) for i, path in enumerate(written.get(key, ()))]
    return {name: value for found in kinds.gather(readings) for name, value in found.items()}


def _with_profiles(written: Mapping[str, Any], origin: Origin, read: ReadFile) -> list[str]:
    """Return the security options as the engine takes them: as docker's command, it gets a file's content."""
    where, options = origin.at("securityOptions"), written.get("securityOptions", ())
    return sorted(f"{_SECCOMP}{_profile(one, where, read)}" if _is_path(one) else one for one in options)


def _is_path(option: str) -> bool:
    return option.startswith(f"{_SECCOMP}/")


def _profile(option: str, origin: Origin, read: ReadFile) -> str:
    path = option[len(_SECCOMP) :]
    try:
        profile = json.loads(_read(path, origin, read))
    except (ValueError, RecursionError):
        profile = None
    if not isinstance(profile, dict):
        refuse(origin, f"{path} is no seccomp profile", "It has to be an object of JSON.")
    return json.dumps(profile, sort_keys=True, separators=(",", ":"))


def _read(path: str, origin: Origin, read: ReadFile) -> bytes:
    try:
        return read(path)
    except FileNotFoundError:
        refuse(origin, f"there is no file {path}", "Put it there, or correct the path.")
    except InvalidInputError as error:
        problem = error.problems[0]
        refuse(origin, f"{path}: {problem.what}", problem.fix)


def _env_of(raw: bytes, path: str, origin: Origin) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, name, value in _lines(raw, path, origin):
        if value is None:
            refuse(origin, f"line {number} of {path} has no value", "Write NAME=VALUE.")
        if not name or name != name.strip() or any(sign.isspace() or sign == "\0" for sign in name):
            refuse(origin, f"line {number} of {path} has no name before the =", "Write NAME=VALUE.")
        found[name] = value
    return found


def _labels_of(raw: bytes, path: str, origin: Origin) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, name, value in _lines(raw, path, origin):
        if not name:
            refuse(origin, f"line {number} of {path} has no name before the =", "Write NAME=VALUE.")
        own_labels_only(name, origin)
        found[name] = value or ""
    return found


def own_labels_only(label: str, origin: Origin) -> None:
    """Raise Refused for a label that dockerup sets."""
    if label.startswith("dockerup."):
        fix = "Take it out; labels of any other name are free."
        refuse(origin, f'"{label}" is a label that dockerup sets itself', fix)


def _lines(raw: bytes, path: str, origin: Origin) -> Iterator[tuple[int, str, str | None]]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse(origin, f"{path} is not UTF-8 text", "Save the file as UTF-8.")
    if "\0" in text:
        refuse(origin, f"{path} holds a NUL", "Take it out.")
    for number, written in enumerate(text.split("\n"), 1):
        line = (written[:-1] if written.endswith("\r") else written).lstrip()
        if line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            yield number, name, value if equals else None


def _new_name(name: str, written: Mapping[str, Any], origin: Origin) -> str:
    others: Sequence[str] = [*written.get("env", ())]
    if name in others:
        refuse(origin.at("env"), f"{name} is in env, too", "Keep one of them.")
    return name


def _as_text(content: bytes, origin: Origin) -> str:
    """Return a secret as a variable holds it: without the newline that an editor leaves at its end."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        refuse(origin, "what is no UTF-8 text cannot be a variable", "Give it as a file: write path.")
    if "\0" in text:
        refuse(origin, "what holds a NUL cannot be a variable", "Give it as a file: write path.")
    return text.rstrip("\r\n")


def _digest(entry: str, name: str, content: bytes) -> str:
    """Return what tells one content from another; the same secret of another entry has another one."""
    from hashlib import sha256  # most lists have no secrets

    return sha256(f"dockerup secret\0{entry}\0{name}\0".encode() + content).hexdigest()[:32]

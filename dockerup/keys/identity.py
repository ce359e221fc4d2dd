"""The keys of what a container is and what it runs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from dockerup import kinds, platforms
from dockerup.image import InvalidReferenceError, parse_reference
from dockerup.keys import files, words
from dockerup.keys.row import Change, ContainerKey, row, since, to
from dockerup.kinds import refuse
from dockerup.problems import Origin


def _image(text: str, origin: Origin) -> str:
    try:
        return parse_reference(text).familiar
    except InvalidReferenceError as error:
        refuse(origin, error.what, error.fix)


def _assignments(env: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in env.items()]


def _platform(text: str, _origin: Origin) -> str:
    return platforms.canonical(text)


_HOST = r"[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]{0,62})"
_PULL = {
    "always": "always",
    "missing": "missing",
    "if_not_present": "missing",
    "if-not-present": "missing",
}


def _clean_path(text: str, _origin: Origin) -> str:
    return posixpath.normpath(f"/{text.lstrip('/')}")


IDENTITY: Mapping[str, ContainerKey] = {
    "type": row(kinds.choice({"docker": "docker"}), "always `docker`", Change.NOTHING),
    "name": row(
        words.name,
        "name of the container; by default the last path part of the image",
        Change.NOTHING,
        aliases=("container_name",),
    ),
    "image": row(
        kinds.text("an image reference", r"\S{1,4096}", also=_image),
        "image to run: `name`, `name:tag`, `host:port/name:tag` or `name@sha256:…`",
        tell=to("Image"),
        required=True,
    ),
    "platform": row(
        kinds.text('a platform of Linux such as "linux/arm64"', platforms.PATTERN, also=_platform),
        "platform whose image it gets, such as `linux/arm64` or `linux/arm/v6` (default: the host's own)",
    ),
    "pull": row(
        kinds.choice(_PULL),
        "`always` (default): look in the registry for a newer image, `missing`: fetch it only where there is "
        "none; the same as `update.pull`",
        Change.NOTHING,
        aliases=("pull_policy",),
    ),
    "entrypoint": row(
        kinds.words("a string or a list of strings"),
        "program to run, instead of the image's",
        tell=to("Entrypoint"),
        aliases=("entryPoint",),
    ),
    "command": row(
        kinds.words("a string or a list of strings"), "arguments, instead of the image's", tell=to("Cmd")
    ),
    "workingDirectory": row(
        kinds.text("an absolute path", r"/[^\0\r\n]*", also=_clean_path),
        "directory that it starts in, instead of the image's",
        tell=to("WorkingDir"),
        aliases=("working_dir",),
    ),
    "user": row(
        words.line(
            "a user, by name or number, with or without a group: user:group", r"[^\0\s:]+(?::[^\0\s:]+)?"
        ),
        "user that it runs as, instead of the image's: `name`, `1000` or `1000:1000`",
        tell=to("User"),
    ),
    "groupAdd": row(
        words.several(words.line("a group, by name or number", r"[^\0\s:]+"), "a list of groups"),
        "further groups of its user",
        tell=to("HostConfig.GroupAdd"),
        aliases=("group_add",),
        default=[],
    ),
    "env": row(
        words.pairs("an object of names and values", "a name without = in it", r"[^=\0]+", hidden=True),
        "environment variables; their values are kept out of logs, labels and plans",
        tell=to("Env", _assignments),
        aliases=("environment",),
        default={},
        secrets=(),
    ),
    "envFiles": row(
        files.env_files(),
        "files of this host with further variables, `NAME=VALUE` a line; `env` goes before them",
        aliases=("env_file",),
        default=[],
    ),
    "secrets": row(
        files.secrets(),
        "secrets from files of this host, as variables or as files: `{NAME: {file: PATH, env: VARIABLE}}`",
        tell=files.tell_secrets,
        default={},
    ),
    "hostname": row(
        kinds.text("a host name of up to 63 characters", _HOST),
        "its own host name (default: its id)",
        tell=to("Hostname"),
    ),
    "domainname": row(
        kinds.text("a domain name of up to 63 characters", _HOST),
        "its own domain name",
        tell=to("Domainname"),
    ),
    "interactive": row(
        kinds.truth(),
        "keep its standard input open",
        tell=to("OpenStdin"),
        aliases=("stdin_open",),
        default=False,
    ),
    "pseudoTerminal": row(
        kinds.truth(), "give it a terminal", tell=to("Tty"), aliases=("tty",), default=False
    ),
    "init": row(
        kinds.truth(),
        "run a small init as its first process, which passes signals on (default: as the engine is set)",
        tell=to("HostConfig.Init"),
    ),
    "labels": row(
        words.pairs(
            "an object of names and values", "the name of a label", r"[^=\0]+", refused=files.own_labels_only
        ),
        "labels of the container",
        tell=to("Labels"),
        aliases=("dockerLabels",),
        default={},
    ),
    "labelFiles": row(
        files.env_files(),
        "files of this host with further labels, `NAME=VALUE` a line; `labels` go before them",
        aliases=("label_file",),
        default=[],
    ),
    "annotations": row(
        words.pairs("an object of names and values", "the name of an annotation", r"[^=\0]+"),
        "annotations for the runtime",
        tell=to("HostConfig.Annotations"),
        needs=since("1.43"),
        default={},
    ),
}

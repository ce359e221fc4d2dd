"""The keys of what a container is and what it runs."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup import kinds
from dockerup.image import InvalidReferenceError, parse_reference
from dockerup.keys import files, words
from dockerup.keys.row import Change, ContainerKey, row, to
from dockerup.kinds import refuse
from dockerup.problems import Origin


def _image(text: str, origin: Origin) -> str:
    try:
        return parse_reference(text).familiar
    except InvalidReferenceError as error:
        refuse(origin, error.what, error.fix)


def _assignments(env: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in env.items()]


IDENTITY: Mapping[str, ContainerKey] = {
    "type": row(kinds.choice({"docker": "docker"}), "always `docker`", Change.NOTHING),
    "name": row(
        words.name, "name of the container; by default the last path part of the image", Change.NOTHING
    ),
    "image": row(
        kinds.text("an image reference", r"\S{1,4096}", also=_image),
        "image to run: `name`, `name:tag`, `host:port/name:tag` or `name@sha256:…`",
        tell=to("Image"),
        required=True,
    ),
    "entrypoint": row(
        kinds.words("a string or a list of strings"),
        "program to run, instead of the image's",
        tell=to("Entrypoint"),
    ),
    "command": row(
        kinds.words("a string or a list of strings"), "arguments, instead of the image's", tell=to("Cmd")
    ),
    "env": row(
        words.secrets,
        "environment variables; their values are kept out of logs, labels and plans",
        tell=to("Env", _assignments),
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
}

"""A line `docker run ...`, as it stands in scripts and unit files.

Source: docker/cli, cli/command/container/opts.go (the flags) and cli/command/container/run.go.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dockerup.importers.draft import Draft, Imported
from dockerup.importers.reading import OddError
from dockerup.importers.run_flags import BOOLEANS, FLAGS, IGNORED, SHORT, bring_health, bring_once
from dockerup.problems import DockerupError

_WRAPPERS = frozenset({"sudo", "exec", "nohup", "time", "env", "doas"})
_ENGINES = frozenset({"docker", "podman", "nerdctl"})
_GLOBAL_VALUES = frozenset({"-H", "--host", "-c", "--context", "--config", "-l", "--log-level"})
_GLOBAL_VALUES |= {"--tlscacert", "--tlscert", "--tlskey"}
_MOST_CHARACTERS = 1 << 17  # as the kernel has it of one argument (MAX_ARG_STRLEN)
_SHELL = re.compile(r"\$[({A-Za-z_0-9]|`|%[a-zA-Z]\b")


@dataclass
class _Line:
    """A line as it is read: what each flag was given, in order, the image, and what follows it."""

    given: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    image: str = ""
    command: list[str] = field(default_factory=list)


def imported(line: str) -> Imported:
    """Return what a line means here. Raises DockerupError for what is no `docker run` of an image."""
    words = _after_run(_words(line))
    read = _read(words)
    draft = Draft()
    if not read.image:
        raise DockerupError("the line names no image: write docker run [flags] IMAGE [command]")
    draft.put("image", read.image)
    draft.put("command", read.command)
    for flag, value in read.given:
        _bring(draft, flag, value)
    bring_health(draft, dict(read.given))
    bring_once(draft, dict(read.given))
    for flag in read.unknown:
        draft.left(flag, "this flag is not known; what follows it was taken for the image, if it has a value")
    if _SHELL.search(line):
        what = "the line holds what a shell or systemd would fill in ($NAME, $(...), %n): write what it is"
        draft.decide("", what)
    return Imported("a line of docker run", (draft.entry,))


def _words(line: str) -> list[str]:
    """Return the words of a line, its continuations joined, without what stands before the command."""
    if len(line) > _MOST_CHARACTERS:
        raise DockerupError(f"the line has more than {_MOST_CHARACTERS} characters")
    text = re.sub(r"\\\r?\n", " ", line).strip()
    text = re.sub(r"^Exec[A-Za-z]*=[-@:+!|]*", "", text)
    try:
        return shlex.split(text)
    except ValueError:
        raise DockerupError("the quotes in the line do not match") from None


def _after_run(words: Sequence[str]) -> list[str]:
    """Return what follows `docker run` or `docker create`. Raises DockerupError when there is none."""
    rest = list(words)
    while rest and (rest[0] in _WRAPPERS or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", rest[0], re.DOTALL)):
        rest.pop(0)
    if rest and rest[0].rpartition("/")[2] in _ENGINES:
        rest.pop(0)
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag in _GLOBAL_VALUES and rest:
            rest.pop(0)
    if rest[:1] == ["container"]:
        rest.pop(0)
    if rest[:1] not in (["run"], ["create"]):
        raise DockerupError('this is no line of docker run: write it in quotes, "docker run -d IMAGE"')
    return rest[1:]


def _read(words: list[str]) -> _Line:
    line = _Line()
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            break
        for flag, value in _flags(word, rest, line):
            line.given.append((flag, value))
    if rest:
        line.image = rest.pop()
        line.command = list(reversed(rest))
    return line


def _flags(word: str, rest: list[str], line: _Line) -> Iterator[tuple[str, str]]:
    """Yield the flags of a word, each with its value: "true" of one that has none."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name in BOOLEANS:
            yield name, value if equals else "true"
        elif name in FLAGS or name in IGNORED:
            yield name, value if equals else rest.pop() if rest else ""
        else:
            line.unknown.append(f"--{name}")
        return
    yield from _short_flags(word[1:], rest, line)


def _short_flags(letters: str, rest: list[str], line: _Line) -> Iterator[tuple[str, str]]:
    for i, letter in enumerate(letters):
        name = SHORT.get(letter, "")
        if not name:
            line.unknown.append(f"-{letter}")
        elif name in BOOLEANS:
            yield name, "true"
        else:
            value = letters[i + 1 :].removeprefix("=")
            yield name, value if letters[i + 1 :] else rest.pop() if rest else ""
            return


def _bring(draft: Draft, flag: str, value: str) -> None:
    if flag in IGNORED:
        if IGNORED[flag]:
            draft.left(f"--{flag}", IGNORED[flag])
        return
    handler: Any = FLAGS.get(flag) or BOOLEANS.get(flag)
    try:
        if handler is not None:
            handler(draft, value)
    except OddError as odd:
        draft.left(f"--{flag}", str(odd))

"""The kinds of values that more than one key holds."""

from __future__ import annotations

from dockerup import kinds

NAME = r"(?![\s\S]*\.dockerup-(?:new|old|failed)$)[a-zA-Z0-9][a-zA-Z0-9_.-]+"
name = kinds.text("a name of two or more letters, digits, _ . -", NAME)
# The engine's syntax of binds leaves no room for a colon.
path = kinds.text("an absolute path", r"/[^\0:]*")
secrets = kinds.map_of(
    kinds.secret("a string, a whole number or true/false"),
    "an object of names and values",
    "a name without = in it",
    r"[^=\0]+",
    hidden=True,
)

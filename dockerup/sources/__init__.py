"""Where the list of containers comes from."""

from __future__ import annotations

from collections.abc import Mapping

from dockerup.sources.confdir import read_confdir
from dockerup.sources.result import SourceResult


def load(
    confdir: str, aws: bool, cache: str, environ: Mapping[str, str], root: str = "/"
) -> tuple[SourceResult, ...]:
    """Return what each source says, the one with the higher rank first: user-data, then `confdir`.

    Never raises for what a source holds. `cache` is the directory for conveniences; `root` is where the
    machine's own records are looked for.
    """
    return (read_user_data(aws, cache, environ, root), read_confdir(confdir))


def read_user_data(aws: bool, cache: str, environ: Mapping[str, str], root: str = "/") -> SourceResult:
    """Return what user-data says, from the first place that has it: one source with one rank.

    With `aws`, that is EC2's metadata service, asked only where this machine or the environment says that
    there is one.
    """
    from dockerup.sources import ec2

    if aws and ec2.wanted(environ, root):
        return ec2.read_user_data(cache, environ, root)
    return SourceResult("user-data")

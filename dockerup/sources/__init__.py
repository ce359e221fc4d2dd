"""Where the list of containers comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dockerup.sources.result import SourceResult


def read_user_data(aws: bool, cache: str, environ: Mapping[str, str], root: str = "/") -> SourceResult:
    """Return what user-data says, from the first place that has it: one source with one rank.

    1. what cloud-init's module was given in this boot, unless user-data is newer or the instance another;
    2. cloud-init's own record of this instance;
    3. with `aws`, EC2's metadata service, asked only where this machine or the environment says that there
       is one: for user-data that cloud-init does not handle, such as plain JSON.

    Never raises for what a source holds. `cache` is the directory for conveniences; `root` is where the
    machine's own records are looked for.
    """
    from dockerup.sources import cloudinit, ec2

    found = cloudinit.read_cloud_init(cache, ec2.local_instance_id(root), root)
    if (found is None or _left_alone(found, root)) and aws and ec2.wanted(environ, root):
        return replace(ec2.read_user_data(cache, environ, root), block=found.block if found else None)
    return found or SourceResult("user-data")


def _left_alone(found: SourceResult, root: str) -> bool:
    """Tell whether this very fault is that cloud-init passed over a list.

    Others, such as a record that may be of another instance, do not make EC2's raw user-data count.
    """
    from dockerup.sources import cloudinit

    if found.complete:
        return False
    left = cloudinit.left_alone(root)
    return left is not None and left.problems == found.problems

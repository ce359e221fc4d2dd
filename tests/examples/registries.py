"""A registry that wants a login, in place of those that the examples name, and Amazon's credential helper.

The helper is a script in a package of the real one's name, which the machine's real apt installs: the real
one asks AWS, which cannot be had. The protocol is that of docker/docker-credential-helpers: `get` reads the
registry's address and prints a login as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.boot.machine import Machine
from tests.examples.stand_ins import server_on
from tests.testbed.host import Host
from tests.testbed.registry import Registry

PRIVATE = "registry.example.com"
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
REPOSITORY = "team/my-app"
# What root's config.json of docker says where the helper has the login.
LOGIN_BY_HELPER = {"credHelpers": {ECR: "ecr-login"}}

# USER:PASSWORD, and what AWS gives for a role, as `htpasswd -nbB -C 4` writes them.
_LOGINS = """\
USER:$2b$04$yk6DBhiVYSNSm5CTpOykT.ZtiXnaQ08LJD5LjQYFFb1qOVYtUjjhK
AWS:$2b$04$yk6DBhiVYSNSm5CTpOykT.phZppZ9KoCusFeoRMLz75y4yC4M3ziu
"""
_HELPER = """\
#!/bin/sh
[ "$1" = get ] || exit 1
server=$(cat)
if [ "$server" != "{server}" ]; then
    echo "credentials not found in native keychain"
    exit 1
fi
printf '{{"ServerURL": "%s", "Username": "AWS", "Secret": "TOKEN"}}\\n' "$server"
"""
_CONTROL = """\
Package: amazon-ecr-credential-helper
Version: 99
Architecture: all
Maintainer: tests <tests@example.com>
Description: in place of Amazon's
"""
_PACKAGES = "/opt/packages"
_MAKE_PACKAGE = f"""\
cd {_PACKAGES} && dpkg-deb --build --root-owner-group helper helper.deb
{{
    cat helper/DEBIAN/control
    echo "Filename: ./helper.deb"
    stat -c "Size: %s" helper.deb
    sha256sum helper.deb | sed "s/ .*//; s/^/SHA256: /"
}} > Packages
"""


@contextmanager
def registry_with_logins(host: Host, directory: Path, *tags: str) -> Iterator[Registry]:
    """Give a registry that has the examples' image with some tags, and gives it to those who log in."""
    for tag in tags:
        host.registry.push(server_on(8080), REPOSITORY, tag)
    (directory / "htpasswd").write_text(_LOGINS)
    config = {
        "auth": {"htpasswd": {"realm": "examples", "path": str(directory / "htpasswd")}},
        "storage": {"filesystem": {"rootdirectory": str(host.registry.directory / "data")}},
    }
    registry = Registry(directory / "registry", config)
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def offer_helper(machine: Machine, registry: Registry) -> None:
    """Let the machine's apt find a package of the helper, which knows a login for that registry alone."""
    program = f"{_PACKAGES}/helper/usr/bin/docker-credential-ecr-login"
    machine.write(program, _HELPER.format(server=registry.host), 0o755)
    machine.write(f"{_PACKAGES}/helper/DEBIAN/control", _CONTROL)
    machine.must("sh", "-ec", _MAKE_PACKAGE)
    machine.write("/etc/apt/sources.list.d/examples.list", f"deb [trusted=yes] file:{_PACKAGES} ./\n")

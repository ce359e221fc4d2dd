"""What stands in for the images that the examples name: tiny ones that do what an example needs of them."""

from __future__ import annotations

from collections.abc import Mapping

from tests.testbed.images import Image, make_image

MIGRATION_FAILED = "column exists"
# The tag of an example/my-app whose migration fails.
FAILING_TAG = "1.4.2-failing"

# As the real one: in its first start it makes the data with a server that only its local socket reaches. That
# takes longer here than the time to the first health check.
_POSTGRES = """\
#!/bin/sh
set -eu
: "${POSTGRES_PASSWORD:?}"
: > /tmp/.s.PGSQL.5432
if [ ! -e /var/lib/postgresql/data/PG_VERSION ]; then
    sleep 6
    echo 17 > /var/lib/postgresql/data/PG_VERSION
fi
exec nc -ll -p 5432 -e echo ready
"""
# As the real one: without --host it asks the local socket.
_PG_ISREADY = """\
#!/bin/sh
host=
while [ $# -gt 0 ]; do
    case $1 in --host) host=$2 ;; --username) ;; *) exit 3 ;; esac
    shift 2
done
if [ -z "$host" ]; then exec test -e /tmp/.s.PGSQL.5432; fi
nc -w 2 "$host" 5432 < /dev/null | grep -q ready
"""
_MIGRATE = """\
#!/bin/sh
address=${DATABASE_URL##*@}
nc -w 2 "${address%%/*}" 5432 < /dev/null | grep -q ready || { echo "no database at $address"; exit 1; }
"""


def server_on(port: int, **files: str) -> Image:
    """Return an image that says that it serves a page on a port, and does; `files` are programs in /bin."""
    start = f"echo serving port {port}; exec httpd -f -p {port} -h /www"
    programs = {f"/bin/{name}": text for name, text in files.items()}
    return make_image(
        "example", command=("sh", "-c", start), files={"/www/index.html": "example\n", **programs}
    )


def stand_ins() -> Mapping[str, Image]:
    """Return an image for each that the examples name, but for those of a registry with a login."""
    sleeps = make_image("example", entrypoint=("sh", "-c", "sleep 1000000"), command=())
    database = {"/bin/postgres": _POSTGRES, "/bin/pg_isready": _PG_ISREADY}
    return {
        "nginx:1.29": server_on(80),
        "example/my-app:latest": server_on(8080),
        "example/my-app:1.4.2": server_on(8080, migrate=_MIGRATE),
        f"example/my-app:{FAILING_TAG}": server_on(
            8080, migrate=f"{_MIGRATE}echo {MIGRATION_FAILED}; exit 3\n"
        ),
        "example/my-app:7": server_on(8080),
        "postgres:17": make_image("example", command=("postgres",), files=database),
        "registry:2": server_on(5000),
        "redis:8": sleeps,
        "example/logstash-forwarder:latest": sleeps,
        "prom/node-exporter:v1.9.1": sleeps,
    }

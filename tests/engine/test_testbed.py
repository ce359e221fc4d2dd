"""The private host itself: what the other engine tests stand on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from tests.testbed.command import ROOT
from tests.testbed.engine import Engine
from tests.testbed.host import Host
from tests.testbed.images import health_check, make_image, make_job_image, make_web_image
from tests.testbed.metadata import Metadata
from tests.testbed.namespace import MARK, NoNamespaceError
from tests.testbed.proxy import Call, CutError, EngineProxy, RefusalError, at_call, kill_client
from tests.testbed.registry import Registry
from tests.testbed.waiting import free_port, wait_until

NAMESPACE = (sys.executable, "-m", "tests.testbed.namespace")


def run_container(client: Any, image: str, **host_config: Any) -> str:
    settings = client.create_host_config(**host_config)
    container_id: str = client.create_container(image, host_config=settings)["Id"]
    client.start(container_id)
    return container_id


def fetch(url: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def answers(url: str) -> str:
    """The text that a web server answers with, or nothing while it does not."""
    try:
        return fetch(url)[1].strip()
    except OSError:
        return ""


def test_pushed_image_is_pulled_with_the_digest_that_push_said(client: Any, registry: Registry) -> None:
    pushed = registry.push(make_image("1"), "app")

    client.pull(pushed.reference)

    inspected = client.inspect_image(pushed.reference)
    assert inspected["Id"] == pushed.id
    assert inspected["RepoDigests"] == [pushed.by_digest]


def test_push_is_unknown_to_the_engine_until_it_pulls(client: Any, registry: Registry) -> None:
    first = registry.push(make_image("1"), "app")
    client.pull(first.reference)

    second = registry.push(make_image("2"), "app")

    assert second.digest != first.digest
    assert client.inspect_image(second.reference)["Id"] == first.id


def test_same_content_has_the_same_digest_each_time(registry: Registry) -> None:
    assert registry.push(make_image("1"), "app").digest == registry.push(make_image("1"), "app").digest


def test_image_settings_reach_the_engine(engine: Engine, client: Any) -> None:
    image = make_image(
        command=("cat",),
        entrypoint=("sh",),
        env={"COLOUR": "blue"},
        volumes=("/data",),
        ports=("80/tcp",),
        labels={"a": "b"},
        stop_signal="SIGTERM",
        health=health_check("true", interval=3),
        created="2021-02-03T04:05:06Z",
    )

    engine.load(image, "settings:1")

    inspected = client.inspect_image("settings:1")
    config = inspected["Config"]
    assert config["Cmd"] == ["cat"]
    assert config["Entrypoint"] == ["sh"]
    assert "COLOUR=blue" in config["Env"]
    assert config["Volumes"] == {"/data": {}}
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert config["Labels"] == {"a": "b"}
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Interval"] == 3_000_000_000
    assert inspected["Created"] == "2021-02-03T04:05:06Z"


def test_web_image_serves_its_version_over_a_published_port(engine: Engine, client: Any) -> None:
    engine.load(make_web_image("seven"), "web:7")
    port = free_port()

    run_container(client, "web:7", port_bindings={8080: ("127.0.0.1", port)})

    wait_until(lambda: answers(f"http://127.0.0.1:{port}/") == "seven", "the web server answers")


def test_job_image_ends_with_its_exit_code(engine: Engine, client: Any) -> None:
    engine.load(make_job_image("1", exit_code=3), "job:1")

    assert client.wait(run_container(client, "job:1"), timeout=20)["StatusCode"] == 3


def test_registry_keeps_port_and_images_over_a_restart(client: Any, registry: Registry) -> None:
    pushed = registry.push(make_image("kept"), "kept")
    registry.stop()
    with pytest.raises(docker.errors.APIError):
        client.pull("kept", registry.host)

    registry.start()

    client.pull(pushed.reference)
    assert client.inspect_image(pushed.reference)["Id"] == pushed.id


def test_registry_tells_what_it_was_asked(client: Any, registry: Registry) -> None:
    pushed = registry.push(make_image("1"), "asked")

    client.pull(pushed.reference)

    assert "HEAD /v2/asked/manifests/latest" in registry.requests()


def test_deleted_image_cannot_be_pulled(client: Any, registry: Registry) -> None:
    pushed = registry.push(make_image("gone"), "gone")

    registry.delete(pushed)

    with pytest.raises(docker.errors.NotFound):
        client.pull(pushed.reference)


def test_killed_engine_comes_back_with_its_containers(engine: Engine) -> None:
    engine.load(make_image("1"), "app:1")
    with_policy = run_container(engine.client(), "app:1", restart_policy={"Name": "always"})

    engine.kill()
    engine.start()

    client = engine.client()
    wait_until(lambda: client.inspect_container(with_policy)["State"]["Running"], "the container is back")
    client.close()


def test_clean_leaves_nothing_on_the_engine(engine: Engine, client: Any) -> None:
    engine.load(make_image(volumes=("/data",)), "app:1")
    client.create_network("front")
    client.create_volume("named")
    run_container(client, "app:1", network_mode="front")

    engine.clean()

    assert client.containers(all=True) == []
    assert client.images(all=True) == []
    assert not client.volumes()["Volumes"]
    assert {network["Name"] for network in client.networks()} == {"bridge", "host", "none"}


def test_proxy_records_each_call_with_its_status(proxy: EngineProxy) -> None:
    client = docker.APIClient(base_url=proxy.url, version="1.41")
    client.ping()
    with pytest.raises(docker.errors.NotFound):
        client.inspect_container("nothing")
    client.close()

    assert [(call.number, str(call), call.status) for call in proxy.calls] == [
        (1, "GET /_ping", 200),
        (2, "GET /containers/nothing/json", 404),
    ]
    assert {call.client_pid for call in proxy.calls} == {os.getpid()}


def test_proxy_passes_a_streaming_pull_and_a_large_upload(
    proxy: EngineProxy, client: Any, registry: Registry
) -> None:
    pushed = registry.push(make_image("streamed"), "streamed")
    through_proxy = docker.APIClient(base_url=proxy.url, version="1.41")

    lines = list(through_proxy.pull(pushed.reference, stream=True, decode=True))
    through_proxy.load_image(make_image("up").archive("uploaded:1"))
    through_proxy.close()

    assert any(pushed.digest in line.get("status", "") for line in lines)
    assert client.inspect_image("uploaded:1")["Id"] == make_image("up").id


def test_proxy_passes_events_while_they_happen(proxy: EngineProxy, engine: Engine, client: Any) -> None:
    engine.load(make_image(), "app:1")
    through_proxy = docker.APIClient(base_url=proxy.url, version="1.41", timeout=20)
    events = through_proxy.events(decode=True, filters={"type": "container"})
    # The stream's request goes out with its first answer, so that nothing happens before it listens.
    wait_until(lambda: proxy.calls and proxy.calls[-1].status == 200, "the events are listened to")

    client.create_container("app:1")

    assert next(events)["Action"] == "create"
    events.close()
    through_proxy.close()


def test_proxy_hook_before_a_call_keeps_it_from_the_engine(
    proxy: EngineProxy, engine: Engine, client: Any
) -> None:
    engine.load(make_image(), "app:1")

    def cut(_call: Call) -> None:
        raise CutError

    proxy.before = at_call(1, cut)
    through_proxy = docker.APIClient(base_url=proxy.url, version="1.41")
    with pytest.raises(OSError, match="Connection aborted"):
        through_proxy.create_container("app:1")
    through_proxy.close()

    assert client.containers(all=True) == []


def test_proxy_hook_after_a_call_drops_the_connection_at_once(proxy: EngineProxy) -> None:
    def cut(_call: Call) -> None:
        raise CutError

    proxy.after = at_call(1, cut)
    through_proxy = docker.APIClient(base_url=proxy.url, version="1.41", timeout=10)
    with pytest.raises(OSError, match="Connection aborted"):  # and not: it timed out
        through_proxy.ping()
    through_proxy.close()


def test_proxy_hook_answers_in_the_place_of_the_engine(proxy: EngineProxy) -> None:
    def refuse(_call: Call) -> None:
        raise RefusalError(503, 'no "space"')

    proxy.before = at_call(1, refuse)
    through_proxy = docker.APIClient(base_url=proxy.url, version="1.41")

    with pytest.raises(docker.errors.APIError, match='no "space"'):
        through_proxy.ping()
    through_proxy.close()


def test_proxy_kills_the_client_after_the_engine_has_done_the_call(
    proxy: EngineProxy, engine: Engine, client: Any
) -> None:
    engine.load(make_image(), "app:1")
    proxy.after = at_call(2, kill_client)
    program = (
        "import docker, sys\n"
        "client = docker.APIClient(base_url=sys.argv[1], version='1.41')\n"
        "for name in ('first', 'second', 'third'):\n"
        "    client.create_container('app:1', name=name)\n"
    )

    ended = subprocess.run([sys.executable, "-c", program, proxy.url], timeout=30, check=False)

    assert ended.returncode == -signal.SIGKILL
    assert {name for c in client.containers(all=True) for name in c["Names"]} == {"/first", "/second"}


def test_metadata_gives_user_data_for_a_token_only(metadata: Metadata) -> None:
    metadata.answers.user_data = b"containers: []"
    url = f"{metadata.url}/latest/user-data"
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token_url = f"{metadata.url}/latest/api/token"

    assert fetch(url)[0] == 401
    assert fetch(token_url, method="PUT")[0] == 400
    status, token = fetch(token_url, method="PUT", headers=ttl)

    assert status == 200
    assert fetch(url, headers={"X-aws-ec2-metadata-token": "other"})[0] == 401
    assert fetch(url, headers={"X-aws-ec2-metadata-token": token}) == (200, "containers: []")
    assert metadata.requests[-1] == "GET /latest/user-data"


@pytest.mark.parametrize("refusal", [404, 405])
def test_old_metadata_refuses_tokens_and_answers_without(metadata: Metadata, refusal: int) -> None:
    metadata.answers.speaks_tokens = False
    metadata.answers.token_refusal = refusal

    assert fetch(f"{metadata.url}/latest/api/token", method="PUT")[0] == refusal
    assert fetch(f"{metadata.url}/latest/user-data")[0] == 404
    assert fetch(f"{metadata.url}/latest/meta-data/instance-id") == (200, metadata.answers.instance_id)


def test_metadata_is_there_over_ipv6() -> None:
    service = Metadata("x", ipv6=True)
    service.start()

    assert fetch(f"{service.url}/latest/user-data")[0] == 401
    service.stop()
    with pytest.raises(urllib.error.URLError):
        fetch(f"{service.url}/latest/user-data")


def machine_state() -> dict[str, str]:
    """What an engine could spoil on the machine that it runs on."""
    commands = {
        "links": "ip -o link",
        "packet filter": "iptables-save | grep -v '^#'",
        "mounts": "grep -v /proc/self /proc/self/mounts",
        "run": "find /run -maxdepth 2 -not -path '/run/testbed-*'",
        "processes": "ps -eo comm= | grep -c dockerd",
    }
    return {
        name: subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False).stdout
        for name, command in commands.items()
    }


def control_groups(name: str) -> list[str]:
    """Return what the kernel has of a control group; those of other hosts on the machine come and go."""
    assert name.startswith("dockerup-testbed-")
    command = ["find", "/sys/fs/cgroup", "-name", name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


# It says the name of its control group once its container runs.
HOST_WITH_CONTAINER = """
import sys, signal
from tests.testbed import namespace
from tests.testbed.host import private_host
from tests.testbed.images import make_image
with private_host() as host:
    host.engine.load(make_image(), "app:1")
    client = host.engine.client()
    client.start(client.create_container("app:1"))
    print(namespace.cgroup_name(), flush=True)
    if sys.argv[1:]:
        signal.pause()
"""


def test_another_private_host_leaves_no_trace_on_the_machine(host: Host) -> None:
    before = machine_state()

    command = [*NAMESPACE, sys.executable, "-c", HOST_WITH_CONTAINER]
    ended = subprocess.run(command, cwd=ROOT, check=True, timeout=60, stdout=subprocess.PIPE, text=True)

    assert machine_state() == before
    assert control_groups(ended.stdout.strip()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_private_host_leaves_no_trace_on_the_machine(host: Host, number: signal.Signals) -> None:
    before = machine_state()
    command = [*NAMESPACE, sys.executable, "-c", HOST_WITH_CONTAINER, "stay"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        watchdog = threading.Timer(60, running.kill)
        watchdog.start()
        assert running.stdout is not None
        name = running.stdout.readline().strip()
        assert control_groups(name)

        running.send_signal(number)

        assert running.wait(30) == 128 + number
        watchdog.cancel()
    assert machine_state() == before
    assert control_groups(name) == []


def test_namespace_hands_on_the_exit_code() -> None:
    ended = subprocess.run([*NAMESPACE, "sh", "-c", "exit 42"], cwd=ROOT, check=False, timeout=30)

    assert ended.returncode == 42


def test_namespace_without_root_says_what_to_run() -> None:
    program = (
        "import os, sys\nfrom tests.testbed import namespace\n"
        "os.setuid(65534)\nsys.exit(namespace.main(['true']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30
    )

    assert ended.returncode == 1
    assert "need root. Run it as root, or with sudo." in ended.stderr


def test_engine_outside_of_a_private_namespace_refuses_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MARK)
    with pytest.raises(NoNamespaceError, match="Run: make test"):
        Engine(tmp_path / "engine").start()


UNIT_TESTS = """
import os, pathlib, socket, subprocess, time
import pytest

@pytest.mark.parametrize("reach_out", [
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.socket().bind(("127.0.0.1", 0)),
    lambda: subprocess.run(["true"]),
    lambda: os.system("true"),
    lambda: os.path.expanduser("~/.docker"),
    lambda: pathlib.Path.home(),
])
def test_reaches_out(reach_out):
    reach_out()

def test_product_asks_the_clock():
    exec("import time; time.time()", {"__name__": "dockerup.plan"})

def test_tests_themselves_have_a_clock():
    assert time.time() > 0
"""


def test_unit_tests_cannot_reach_out_of_their_process(tmp_path: Path) -> None:
    unit = tmp_path / "tests" / "unit"
    unit.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "unit" / "conftest.py", unit)
    (unit / "test_inside.py").write_text(UNIT_TESTS)

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "7 failed, 1 passed" in ended.stdout
    assert ended.stdout.count("ForbiddenInUnitTestError: ") >= 7

"""Faults of a registry and of what it gives, while a service runs that has to be replaced."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from typing import Callable

import pytest

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.survival import assert_two_serves, assert_untouched, one_serves, pushed_one_serves
from tests.testbed.images import Image, digest_of, make_web_image
from tests.testbed.proxy import Call, EngineProxy, Hook
from tests.testbed.site import Answering, Reply, Request, Site
from tests.testbed.waiting import free_port

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MIB = 1 << 20
# The engine tries again what fails, and the more often the longer; this is where that is cut short.
PULL_TIMEOUT = 2  # seconds


def at_pull(act: Callable[[], object]) -> Hook:
    """Return a hook that acts when the engine is asked to pull."""

    def hook(call: Call) -> None:
        if str(call) == "POST /images/create":
            act()

    return hook


def test_tag_that_goes_between_check_and_pull_leaves_the_old_one(story: Story, proxy: EngineProxy) -> None:
    name = "web-that-goes"
    before = one_serves(story, story.push(name, "one", make_web_image).reference)
    two = story.push(name, "two", make_web_image)
    proxy.before = at_pull(lambda: story.registry.delete(two))

    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert f"pull {two.by_digest.rpartition('@')[0]}" in ran.stderr
    assert_untouched(story, before)
    story.push(name, "two", make_web_image)
    assert_two_serves(story)


def test_registry_that_goes_before_the_pull_leaves_the_old_one(story: Story, proxy: EngineProxy) -> None:
    before, _ = pushed_one_serves(story)
    story.push("web", "two", make_web_image)
    proxy.before = at_pull(story.registry.stop)

    ran = story.run(code=1, env={"DOCKER_HOST": proxy.url})

    assert "connection refused" in ran.stderr
    assert_untouched(story, before)
    story.registry.start()
    assert_two_serves(story)


def serve(image: Image) -> Answering:
    """Return what a registry answers that has one image (distribution's docs/spec/api.md)."""
    bodies = {f"/v2/web/blobs/{digest_of(blob)}": blob for blob in image.blobs}

    def answers(request: Request) -> Reply:
        if "/manifests/" in request.path:
            return manifest(MANIFEST, image.manifest)
        if request.path in bodies:
            return Reply(body=bodies[request.path])
        return Reply(200 if request.path == "/v2/" else 404)

    return answers


def manifest(media_type: str, body: bytes) -> Reply:
    headers = {"Content-Type": media_type, "Docker-Content-Digest": digest_of(body)}
    return Reply(headers=headers, body=body)


def only_pulls(image: Image, pull: Answering) -> Answering:
    """Return what a registry answers that tells of an image, and has a fault when it is pulled."""
    good = serve(image)

    def answers(request: Request) -> Reply:
        asks = request.method == "HEAD" or request.path == "/v2/"
        return good(request) if asks else pull(request)

    return answers


def cut(image: Image) -> Answering:
    """Return what a registry answers that is killed in the middle of a layer."""
    good = serve(image)

    def answers(request: Request) -> Reply:
        whole = good(request)
        if "/blobs/" not in request.path or len(whole.body) < 1000:
            return whole
        headers = {"Content-Length": str(len(whole.body)), "Connection": "close"}
        return Reply(headers=headers, body=whole.body[: len(whole.body) // 2])

    return answers


def hang(until: threading.Event) -> Answering:
    """Return what a registry answers that takes a request and never answers."""

    def answers(_request: Request) -> Reply:
        until.wait()
        return Reply(500)

    return answers


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """Set when the test is at its end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("cut", "it took longer than pull_timeout allows"),
        ("hangs", f"it took longer than pull_timeout allows ({PULL_TIMEOUT} s): nothing has come yet"),
        ("429", "HTTP 429"),
        ("500", "it took longer than pull_timeout allows"),  # this engine tries again, again and again
    ],
)
def test_pull_that_fails_in_the_middle_leaves_the_old_one_and_no_image(
    story: Story, end: threading.Event, fault: str, says: str
) -> None:
    two = make_web_image("two", files={"/ballast": random.Random(1).randbytes(MIB).hex()})
    faults: dict[str, Answering] = {
        "cut": cut(two),
        "hangs": hang(end),
        "429": lambda _request: Reply(429),
        "500": lambda _request: Reply(500),
    }
    with Site(serve(make_web_image("one"))) as site:
        before = one_serves(story, f"{site.host}/web:latest")
        site.answer = only_pulls(two, faults[fault])
        story.dockerup.configure(pull_timeout=PULL_TIMEOUT)

        ran = story.run(code=1)

        assert f"pull {site.host}/web" in ran.stderr
        assert says in ran.stderr
        assert_untouched(story, before)
        end.set()
        site.answer = serve(two)
        story.dockerup.configure()
        assert_two_serves(story)


def test_what_a_registry_says_of_a_pull_is_one_line_that_no_terminal_obeys(story: Story) -> None:
    said = "\x1b[2J\x1b]0;mine\x07no\nsuch\tluck" + "!" * 5000
    refusal = json.dumps({"errors": [{"code": "DENIED", "message": said}]}).encode()
    denied = Reply(403, {"Content-Type": "application/json"}, refusal)
    image = make_web_image("one")
    with Site(only_pulls(image, lambda _request: denied)) as site:
        story.define("web", f"{site.host}/web")
        ran = story.run(code=1)
    (line,) = ran.stderr.splitlines()
    assert "denied: no such luck!!!" in line
    assert line.endswith("...")
    assert line.isprintable()
    assert len(line) < 1500


def test_url_that_is_signed_shows_in_no_message(story: Story) -> None:
    place = f"http://127.0.0.1:{free_port()}/manifest"
    signed = Reply(307, {"Location": f"{place}?Signature=hunter2&x=1"})
    with Site(only_pulls(make_web_image("one"), lambda _request: signed)) as site:
        story.define("web", f"{site.host}/web")
        ran = story.run(code=1)
    history = story.run("history", "--json").stdout
    assert f"{place}?(hidden)" in ran.stderr
    assert place in history
    assert "hunter2" not in ran.stderr + history


@pytest.mark.parametrize("fault", ["hangs", "429", "500"])
def test_registry_with_a_fault_at_the_check_changes_nothing_and_is_said_once(
    story: Story, end: threading.Event, fault: str
) -> None:
    says = "gives no answer in time" if fault == "hangs" else f"({fault})"
    with Site(serve(make_web_image("one"))) as site:
        before = one_serves(story, f"{site.host}/web:latest")
        site.answer = hang(end) if fault == "hangs" else lambda _request: Reply(int(fault))

        assert says in story.run().stderr

        asked = len(site.requests)
        story.nothing_to_do()
        assert len(site.requests) == asked
        assert_untouched(story, before)
        end.set()
        site.answer = serve(make_web_image("two"))
        assert story.no_registry_is_left_in_peace()
        assert_two_serves(story)


def for_another_machine(image: Image) -> bytes:
    """Return a manifest list that has an image for no machine that dockerup's tests run on."""
    described = {"mediaType": MANIFEST, "digest": image.digest, "size": len(image.manifest)}
    entry = {**described, "platform": {"architecture": "s390x", "os": "linux"}}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST_LIST, "manifests": [entry]}).encode()


def test_image_for_other_machines_only_leaves_the_old_one(story: Story) -> None:
    two = make_web_image("two")
    listed = manifest(MANIFEST_LIST, for_another_machine(two))
    with Site(serve(make_web_image("one"))) as site:
        before = one_serves(story, f"{site.host}/web:latest")
        site.answer = lambda request: listed if "/manifests/" in request.path else Reply()

        ran = story.run(code=1)

        assert f"pull {site.host}/web" in ran.stderr
        assert "no matching manifest for linux/" in ran.stderr
        assert_untouched(story, before)
        site.answer = serve(two)
        assert_two_serves(story)

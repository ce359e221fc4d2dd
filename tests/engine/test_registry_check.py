"""The registry check against a real registry, and against servers that do what one does on bad days."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dockerup.image import Answer, ImageRef, Known, Unknown, parse_reference
from dockerup.logins import Login
from dockerup.registry import Manner, check, confirm
from dockerup.registry_memory import RegistryMemory
from dockerup.transport import Timeouts
from tests.testbed.images import Image, make_image
from tests.testbed.registry import Registry
from tests.testbed.site import DIGEST, LOGIN, SHA, Reply, Request, Site, ask, reason, wants_basic
from tests.testbed.waiting import free_port

# LOGIN as "htpasswd -nbB -C 4" writes it.
HTPASSWD = "ada:$2b$04$yk6DBhiVYSNSm5CTpOykT.BdjkLYVp3eQie.rwGUTzO.vnMS9c9G2"
QUICK = Timeouts(connect=1.0, read=2.0, total=60.0)
CONCURRENCY = 4


# A real registry.


@pytest.fixture(scope="module")
def image() -> Image:
    return make_image()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Registry]:
    with running(Registry(tmp_path / "plain")) as registry:
        yield registry


@contextlib.contextmanager
def running(registry: Registry) -> Iterator[Registry]:
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def test_the_digest_is_that_of_what_was_pushed_last(plain: Registry, image: Image) -> None:
    first = plain.push(image, "team/web", "1")
    ref = parse_reference(first.reference)
    assert ask([ref]) == {ref: Known(first.digest)}
    second = plain.push(make_image("2"), "team/web", "1")
    assert second.digest != first.digest
    assert ask([ref]) == {ref: Known(second.digest)}


def test_fifty_images_of_one_registry_are_fifty_requests(plain: Registry, image: Image) -> None:
    refs = [parse_reference(plain.push(image, "app", f"v{number}").reference) for number in range(50)]
    before = len(plain.requests())
    answers = ask([*refs, *refs])
    assert answers == dict.fromkeys(refs, Known(image.digest))
    asked = plain.requests()[before:]
    assert sorted(asked) == sorted(f"HEAD /v2/app/manifests/v{number}" for number in range(50))


def test_the_digest_is_the_one_that_the_engine_lists_after_a_pull(
    registry: Registry, client: Any, image: Image
) -> None:
    ref = parse_reference(registry.push(image, "team/listed", "1").reference)
    client.pull(ref.familiar_name, ref.tag)
    answer = ask([ref])[ref]
    assert isinstance(answer, Known)
    assert client.inspect_image(ref.familiar)["RepoDigests"] == [ref.with_digest(answer.digest).familiar]
    assert client.inspect_image(ref.familiar)["RepoTags"] == [ref.familiar]


# Where the image that is here may have been made here (containerd's store does not tell).


def confirmed(refs: list[ImageRef], here: Mapping[ImageRef, tuple[str, ...]]) -> dict[ImageRef, Answer]:
    """Ask for some references, of which images with these digests are here; return what is to be acted on."""
    manner, now = Manner(), time.time()
    return {**confirm(check(refs, manner, RegistryMemory(), now), here, manner, now).answers}


def test_the_registry_is_asked_for_the_image_that_is_here_only_where_its_tag_means_another(
    plain: Registry, image: Image
) -> None:
    older = plain.push(image, "app", "1").digest
    newer = plain.push(make_image("2"), "app", "1")
    refs = [parse_reference(plain.reference("app", "1")), parse_reference(plain.reference("none", "1"))]
    gone = Unknown(f"{plain.host} has no such tag: none:1")
    for here, more in ((older, 1), (newer.digest, 0)):
        before = len(plain.requests())
        answers = confirmed(refs, dict.fromkeys(refs, (here,)))
        assert answers == {refs[0]: Known(newer.digest), refs[1]: gone}
        asked = [f"HEAD /v2/app/manifests/{older}"] * more
        assert plain.requests()[before + 2 :] == asked
    before = len(plain.requests())
    assert confirmed(refs[:1], {})[refs[0]] == Known(newer.digest)
    assert len(plain.requests()) == before + 1
    several = (make_image("made here").digest, older)
    assert confirmed(refs[:1], {refs[0]: several})[refs[0]] == Known(newer.digest)


def test_a_tag_of_another_image_is_unknown_where_the_registry_does_not_know_the_one_that_is_here(
    plain: Registry, image: Image
) -> None:
    ref = parse_reference(plain.push(image, "app", "1").reference)
    other = parse_reference(plain.push(image, "other", "1").reference)
    answers = confirmed([ref, other], {ref: (make_image("made here").digest,)})
    assert answers[other] == Known(image.digest)
    answer = answers[ref]
    assert isinstance(answer, Unknown)
    assert answer.reason.startswith("the image here may have been made on this host: ")
    assert not answer.of_registry


def test_a_registry_that_goes_between_two_questions_is_said_to_be_away() -> None:
    """Its tag means another image, and of the one that is here it tells nothing."""

    def answer(request: Request) -> Reply:
        return Reply(503, {"Retry-After": "70"}) if "sha256" in request.path else DIGEST

    with Site(answer) as site:
        ref, manner, now = site.ref(), Manner(), time.time()
        checked = check([ref], manner, RegistryMemory(), now)
        found = confirm(checked, {ref: (make_image().digest,)}, manner, now)
    told = found.answers[ref]
    assert isinstance(told, Unknown)
    assert (told.of_registry, told.wait) == (True, 70)
    assert site.host in found.memory.away
    assert len([note for note in found.notes if note.startswith(site.host)]) == 1


def test_a_tag_that_is_not_there_is_unknown(plain: Registry) -> None:
    before = len(plain.requests())
    assert reason(parse_reference(f"{plain.host}/none:1")) == f"{plain.host} has no such tag: none:1"
    assert len(plain.requests()) == before + 1


def test_a_registry_that_is_down_is_unknown_for_all_of_its_images() -> None:
    host = f"127.0.0.1:{free_port()}"
    refs = [parse_reference(f"{host}/app{number}") for number in range(50)]
    assert ask(refs) == dict.fromkeys(refs, Unknown(f"{host} refuses connections"))


@pytest.fixture
def guarded(plain: Registry, tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants LOGIN, over what was pushed to the plain one."""
    (tmp_path / "htpasswd").write_text(f"{HTPASSWD}\n")
    config = {
        "auth": {"htpasswd": {"realm": "ours", "path": str(tmp_path / "htpasswd")}},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "plain" / "data")}},
    }
    with running(Registry(tmp_path / "guarded", config)) as registry:
        yield registry


def test_a_registry_with_passwords_answers_to_the_right_one(
    plain: Registry, guarded: Registry, image: Image
) -> None:
    plain.push(image, "app", "1")
    refs = [parse_reference(f"{guarded.host}/app:{tag}") for tag in ("1", "gone")]
    before = len(guarded.requests())
    answers = ask(refs, login_for={guarded.host: LOGIN}.get)
    assert answers == {
        refs[0]: Known(image.digest),
        refs[1]: Unknown(f"{guarded.host} has no such tag: app:gone"),
    }
    assert len(guarded.requests()) == before + 3  # the first one only is told that a login is wanted


def test_a_registry_with_passwords_says_when_it_wants_one(guarded: Registry) -> None:
    told = reason(parse_reference(f"{guarded.host}/app"))
    assert told == f"{guarded.host} wants a login for app, or has no such image"


def test_a_wrong_password_is_sent_once_however_many_images(guarded: Registry) -> None:
    refs = [parse_reference(f"{guarded.host}/app{number}") for number in range(20)]
    before = len(guarded.requests())
    answers = ask(refs, login_for=lambda _domain: Login("ada", "wrong-secret"))
    assert answers == dict.fromkeys(refs, Unknown(f'{guarded.host} refuses the login of user "ada"'))
    assert len(guarded.requests()) == before + 2


# What a registry is asked, and how it may answer.


def test_a_request_accepts_single_and_multi_platform_manifests_of_both_families() -> None:
    with Site(DIGEST) as site:
        assert ask([site.ref()]) == {site.ref(): Known(SHA)}
    accepted = site.requests[0].headers["accept"].split(", ")
    assert sorted(accepted) == [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    ]


def test_connections_are_kept_and_no_more_than_wanted_at_once() -> None:
    with Site(DIGEST) as site:
        refs = [site.ref(f"app{number}") for number in range(50)]
        assert ask(refs, concurrency=4) == dict.fromkeys(refs, Known(SHA))
    assert len(site.requests) == 50
    assert site.connections <= 5  # one of them tried TLS


@pytest.mark.parametrize(
    "head", [Reply(405), Reply(501), Reply(404), Reply(200), Reply(200, {"Docker-Content-Digest": "x"})]
)
def test_where_head_tells_nothing_the_manifest_itself_is_digested(head: Reply) -> None:
    body = b'{"schemaVersion": 2}'
    with Site(lambda request: head if request.method == "HEAD" else Reply(body=body)) as site:
        assert ask([site.ref()]) == {site.ref(): Known(f"sha256:{hashlib.sha256(body).hexdigest()}")}
    assert [request.method for request in site.requests] == ["HEAD", "GET"]


def test_a_manifest_past_all_bounds_is_not_read() -> None:
    with Site(
        lambda request: Reply(405 if request.method == "HEAD" else 200, body=b"x" * ((4 << 20) + 1))
    ) as site:
        assert "more than 4194304 bytes" in reason(site.ref())


@pytest.mark.parametrize("body", [b"", b"<html>pay here</html>", b"7", b'"schemaVersion"', b"{}"])
def test_what_somebody_in_between_answers_is_not_taken_for_a_manifest(body: bytes) -> None:
    with Site(Reply(body=body)) as site:
        assert ask([site.ref()]) == {
            site.ref(): Unknown(f"{site.host} answers with what is no manifest of an image", of_registry=True)
        }


@pytest.mark.parametrize("header", ["a" * 70000, "a\r\n" + "X: y\r\n" * 200])
def test_a_registry_whose_answers_are_no_http_is_told_as_that(header: str) -> None:
    with Site(Reply(headers={"X": header})) as site:
        assert reason(site.ref()) == f"{site.host} does not speak HTTP as it must"


def test_a_manifest_of_the_first_schema_has_no_digest_of_its_body() -> None:
    old = Reply(
        headers={"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}, body=b"{}"
    )
    with Site(old) as site:
        assert "before 2016" in reason(site.ref())


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(503), "has a fault of its own (503)"),
        (Reply(418), "gave an answer that is none (418)"),
        (Reply(403), "wants a login for app, or has no such image"),
        (Reply(429, {"Retry-After": "120"}), "limits how often it is asked, and wants a wait of 120 s (429)"),
        (Reply(429), "limits how often it is asked (429)"),
        (Reply(302, {"Location": "file:///etc/passwd"}), "redirects to what is no https address"),
    ],
)
def test_a_refusal_is_unknown_and_says_which_registry(reply: Reply, told: str) -> None:
    with Site(reply) as site:
        assert reason(site.ref()) == f"{site.host} {told}"


def test_a_registry_that_limits_requests_gets_no_more_of_them() -> None:
    with Site(Reply(429)) as site:
        refs = [site.ref(f"app{number}") for number in range(20)]
        assert all(isinstance(answer, Unknown) for answer in ask(refs).values())
    assert len(site.requests) == 1


@pytest.mark.parametrize(("cuts", "known"), [(1, True), (9, False)])
def test_an_answer_cut_off_is_asked_for_once_more(cuts: int, known: bool) -> None:
    def answer(_request: Request) -> Reply:
        if len(site.requests) <= cuts:
            raise ConnectionAbortedError
        return DIGEST

    with Site(answer) as site:
        expected = Known(SHA) if known else Unknown(f"{site.host} closes connections without an answer")
        assert ask([site.ref()]) == {site.ref(): expected}
    assert len(site.requests) == 2


def test_a_login_that_cannot_be_looked_up_is_unknown_without_its_text() -> None:
    def login_for(_domain: str) -> Login:
        raise OSError("hunter2")

    with Site(wants_basic(DIGEST)) as site:
        assert reason(site.ref(), login_for=login_for) == f"{site.host} could not be asked (OSError)"


# Time.


class Hanging:
    """A server that the kernel lets others connect to, and that never says anything."""

    def __init__(self, listener: socket.socket) -> None:
        self.host = f"127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener

    def connections(self) -> int:
        """Return how many there were until now."""
        self._listener.setblocking(False)
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
                count += 1
        return count


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0), backlog=200)) as listener:
        yield Hanging(listener)


def test_a_registry_that_hangs_holds_up_no_other(hanging: Hanging) -> None:
    hung = [parse_reference(f"{hanging.host}/app{number}") for number in range(30)]
    with Site(DIGEST) as site:
        refs = [site.ref(f"app{number}") for number in range(30)]
        answers = ask([*hung, *refs], concurrency=CONCURRENCY, timeouts=QUICK)
    assert [answers[ref] for ref in refs] == [Known(SHA)] * 30
    assert {answers[ref] for ref in hung} == {
        Unknown(f"{hanging.host} takes requests and gives no answer in time")
    }
    # The first one, and those that were begun beside the one after it; not one for each image.
    assert hanging.connections() <= 1 + CONCURRENCY


def test_one_image_that_hangs_leaves_the_others_of_its_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()

    def answer(request: Request) -> Reply:
        if "/slow/" in request.path:
            ends.wait(60)
        return DIGEST

    with Site(answer) as site:
        slow, others = site.ref("slow"), [site.ref(f"app{number}") for number in range(10)]
        answers = ask([slow, *others], timeouts=QUICK)
        ends.set()
    assert [answers[ref] for ref in others] == [Known(SHA)] * 10
    assert isinstance(answers[slow], Unknown)


def test_the_deadline_of_all_checks_holds_and_no_thread_keeps_the_process(hanging: Hanging) -> None:
    program = (
        "import sys\n"
        "from dockerup.image import parse_reference\n"
        "from dockerup.registry import Manner, check\n"
        "from dockerup.registry_memory import RegistryMemory\n"
        "from dockerup.transport import Timeouts\n"
        f"refs = [parse_reference('{hanging.host}/app%d' % number) for number in range(20)]\n"
        "assert 'requests' not in sys.modules  # a run that asks nothing does not pay for it\n"
        "import socket, threading\n"
        "socket.getaddrinfo = lambda *_: threading.Event().wait()  # no resolver has a time limit\n"
        "manner = Manner(timeouts=Timeouts(connect=60, read=60, total=0.5))\n"
        "answers = check(refs, manner, RegistryMemory(), 0.0).answers\n"
        "print(len(answers), {answer.reason for answer in answers.values()})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    told = f"{hanging.host} gave no answer within the 0.5 s that all checks together may take"
    assert done.stdout == f"20 {{'{told}'}}\n"


def test_an_answer_that_comes_in_drops_ends_at_the_deadline() -> None:
    def answers(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = server.accept()
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX: ")
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while not over.wait(0.05):
                connection.sendall(b"x")

    over = threading.Event()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=answers, args=(server,), daemon=True).start()
        ref = parse_reference(f"127.0.0.1:{server.getsockname()[1]}/app")
        answer: Answer = ask([ref], timeouts=Timeouts(connect=1, read=1, total=0.8))[ref]
        over.set()
        server.shutdown(socket.SHUT_RDWR)
    assert isinstance(answer, Unknown)

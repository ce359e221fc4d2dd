"""What many runs in a row ask of registries: one request for each image, and none of one that is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dockerup.image import Answer, ImageRef, Known, Unknown
from dockerup.logins import Login
from dockerup.registry import Checked, Manner, check
from dockerup.registry_memory import RegistryMemory
from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.testbed.images import make_image
from tests.testbed.site import DIGEST, LOGIN, NOW, SHA, Answering, Reply, Request, Site, wants_basic

NOTHING = RegistryMemory()


def minutes(count: int, refs: list[ImageRef], manner: Manner, every: float = 60.0) -> Iterator[Checked]:
    """Make so many checks in a row, each with what the one before left in the cache."""
    kept = "{}"
    for minute in range(count):
        now = NOW + minute * every
        checked = check(refs, manner, RegistryMemory.of(json.loads(kept), now), now)
        kept = json.dumps(checked.memory.as_json())
        yield checked


def answers(checked: Checked) -> list[Answer]:
    return list(checked.answers.values())


# Tokens.


def tokens(expires_in: object = 300) -> Answering:
    def answer(request: Request) -> Reply:
        return Reply(body=json.dumps({"token": request.query["scope"][0], "expires_in": expires_in}).encode())

    return answer


def wants_token(realm: str) -> Answering:
    def answer(request: Request) -> Reply:
        scope = f"repository:{request.path.split('/')[2]}:pull"
        if request.headers.get("authorization") == f"Bearer {scope}":
            return DIGEST
        return Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="ours",scope="{scope}"'})

    return answer


def test_a_token_is_used_until_it_is_over() -> None:
    with Site(tokens()) as realm, Site(wants_token(f"{realm.url}/token")) as site:
        refs = [site.ref(f"app{number}") for number in range(5)]
        counts = []
        for checked in minutes(6, refs, Manner()):
            assert answers(checked) == [Known(SHA)] * 5
            counts.append((len(site.requests), len(realm.requests)))
            site.requests.clear()
            realm.requests.clear()
    # 300 seconds but for a margin: in the sixth minute each repository gets a new one.
    assert counts == [(6, 5), (5, 0), (5, 0), (5, 0), (5, 0), (5, 5)]


@pytest.mark.parametrize("expires_in", [None, 0, -5, "soon", 10**9, True])
def test_a_token_that_does_not_say_how_long_it_lasts_lasts_a_minute(expires_in: object) -> None:
    with Site(tokens(expires_in)) as realm, Site(wants_token(f"{realm.url}/token")) as site:
        list(minutes(2, [site.ref()], Manner(), every=45.0))
        assert len(realm.requests) == 1
        list(minutes(2, [site.ref()], Manner(), every=55.0))
        assert len(realm.requests) == 3


def test_a_token_that_was_taken_back_is_replaced_in_the_same_run() -> None:
    with Site(tokens()) as realm, Site(wants_token(f"{realm.url}/token")) as site:
        first = check([site.ref()], Manner(), NOTHING, NOW)
        met = first.memory.met[site.host]
        stale = {scope: replace(token, text="taken back") for scope, token in met.tokens.items()}
        memory = RegistryMemory({}, {site.host: replace(met, tokens=stale)})
        assert answers(check([site.ref()], Manner(), memory, NOW)) == [Known(SHA)]
    assert len(realm.requests) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_opens_nothing_is_not_kept_for_another_login(status: int) -> None:
    """As of somebody who may not see a private image, until they are given the right to, or log in."""

    def give(request: Request) -> Reply:
        who = "ada" if "authorization" in request.headers else "nobody"
        return Reply(body=json.dumps({"token": who, "expires_in": 3600}).encode())

    def open_for_ada(request: Request) -> Reply:
        told = request.headers.get("authorization")
        refusal = {"WWW-Authenticate": f'Bearer realm="{realm.url}/token"'}
        return DIGEST if told == "Bearer ada" else Reply(status if told else 401, refusal)

    with Site(give) as realm, Site(open_for_ada) as site:
        first = check([site.ref()], Manner(), NOTHING, NOW)
        assert isinstance(answers(first)[0], Unknown)
        second = check([site.ref()], Manner(login_for=lambda _name: LOGIN), first.memory, NOW + 60)
        assert answers(second) == [Known(SHA)]


def test_a_token_of_any_length_is_used_and_only_one_of_a_usual_length_kept() -> None:
    lengths = iter([1 << 14, (1 << 14) + 1])
    with Site(lambda _request: Reply(body=json.dumps({"token": "x" * next(lengths)}).encode())) as realm:
        refusal = Reply(401, {"WWW-Authenticate": f'Bearer realm="{realm.url}/token"'})
        with Site(lambda request: DIGEST if "authorization" in request.headers else refusal) as site:
            refs = [site.ref("first"), site.ref("second")]
            checked = check(refs, Manner(concurrency=1), NOTHING, NOW)
    assert answers(checked) == [Known(SHA)] * 2
    assert list(checked.memory.met[site.host].tokens) == ["repository:first:pull"]


def test_a_basic_login_is_sent_at_once_from_the_second_run_on() -> None:
    with Site(wants_basic(DIGEST)) as site:
        list(minutes(3, [site.ref()], Manner(login_for=lambda _name: LOGIN)))
    assert [auth is not None for auth in site.authorizations] == [False, True, True, True]


# Registries that are away.


def test_a_registry_that_fails_is_asked_after_a_minute_then_two_and_so_on() -> None:
    asked = []
    with Site(Reply(500)) as site:
        memory = NOTHING
        for minute in range(130):
            now = NOW + minute * 60
            memory = check([site.ref()], Manner(), memory, now).memory
            if site.requests:
                asked.append(minute)
                site.requests.clear()
    assert asked == [0, 1, 3, 7, 15, 31, 63, 123]


def test_one_image_that_is_not_there_sends_no_registry_away() -> None:
    missing = Reply(404, {"Content-Type": "application/json"})
    with Site(lambda request: missing if "/gone/" in request.path else DIGEST) as site:
        checks = list(minutes(3, [site.ref("gone"), site.ref("app")], Manner()))
    assert all(not checked.memory.away and not checked.notes for checked in checks)
    assert len(site.requests) == 6


def test_a_registry_is_said_to_be_away_in_the_same_words_each_minute_and_to_be_back_once() -> None:
    replies = {0: Reply(500), 1: Reply(503), 2: Reply(502)}
    with Site(lambda _request: replies.get(len(site.requests) - 1, DIGEST)) as site:
        checks = list(minutes(16, [site.ref()], Manner()))
    away = (
        f"{site.host} does not say whether there are newer images: {site.host} has a fault of its own (500)"
    )
    back = f"{site.host} answers again, after it did not since 2030-03-17 17:46 UTC"
    assert [checked.notes for checked in checks] == [(away,)] * 7 + [(back,)] + [()] * 8
    assert answers(checks[6]) == [Unknown(f"{site.host} has a fault of its own (502)")]


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_a_registry_asks_for_is_kept_whatever_is_missing(status: int) -> None:
    with Site(Reply(status, {"Retry-After": "600"})) as site:
        first = check([site.ref()], Manner(), NOTHING, NOW, [site.ref()])
        for later in (60, 599):
            again = check([site.ref()], Manner(), first.memory, NOW + later, [site.ref()])
            (unknown,) = answers(again)
            assert isinstance(unknown, Unknown)
            assert unknown.wait == 600 - later
        assert len(site.requests) == 1
        check([site.ref()], Manner(), first.memory, NOW + 600)
        assert len(site.requests) == 2


def test_an_image_that_is_missing_is_asked_for_though_its_registry_failed_a_minute_ago() -> None:
    replies = iter([Reply(500)])
    with Site(lambda _request: next(replies, DIGEST)) as site:
        refs = [site.ref("here"), site.ref("missing")]
        first = check(refs[:1], Manner(), NOTHING, NOW)
        second = check(refs, Manner(), first.memory, NOW + 1, refs[1:])
    assert second.answers == {
        refs[0]: Unknown(f"{site.host} has a fault of its own (500)"),
        refs[1]: Known(SHA),
    }
    assert not second.memory.away


def test_a_wrong_login_is_not_sent_again_until_it_is_another() -> None:
    right = wants_basic(DIGEST)
    wrong = wants_basic(Reply(401, {"WWW-Authenticate": 'Basic realm="x"'}))
    logins = {"now": Login("ada", "guess")}
    refused: list[str] = []
    manner = Manner(login_for=lambda _name: logins["now"], refused=lambda name, _why: refused.append(name))
    with Site(wrong) as site:
        refs, missing = [site.ref()], [site.ref()]
        first = check(refs, manner, NOTHING, NOW, missing)
        assert "guess" not in json.dumps(first.memory.as_json())
        again = check(refs, manner, first.memory, NOW + 30, missing)
        assert len(site.requests) == 2
        assert refused == [site.host, site.host]  # so that the engine is not given it either
        assert [*again.answers.values()] == [Unknown(f'{site.host} refuses the login of user "ada"')]
        site.answer, logins["now"] = right, LOGIN
        assert answers(check(refs, manner, again.memory, NOW + 31)) == [Known(SHA)]


# Whole runs.


def test_a_minute_with_fifty_images_and_nothing_new_is_fifty_requests_and_no_pull(story: Story) -> None:
    image = make_image("1", command=("true",))
    names = [f"job{number}" for number in range(50)]
    for name in names:
        story.define(name, story.registry.push(image, name).reference, restart="never")
    story.run()
    before = len(story.registry.requests())
    story.nothing_to_do()
    asked = story.registry.requests()[before:]
    assert sorted(asked) == sorted(f"HEAD /v2/{name}/manifests/latest" for name in names)


def test_a_registry_that_limits_is_left_alone_by_the_next_runs_pulls_too(story: Story) -> None:
    with Site(Reply(429, {"Retry-After": "3600"})) as site:
        story.define("web", f"{site.host}/web")
        first = story.run(code=1)
        asked = len(site.requests)
        assert "web: held back: its image is not here" in first.stderr
        assert "wants a wait of 3600 s" in first.stderr
        again = story.run(code=1)
        assert (again.stdout, again.stderr) == ("", "")
        assert len(site.requests) == asked == 1

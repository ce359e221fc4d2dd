"""What answers at the engine's address may be anything: whatever it tells, a run says so in a line."""

from __future__ import annotations

import dataclasses
import email.message
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.engine import Engine
from dockerup.engine_error import EngineError
from dockerup.engine_json import api_version_from, container_from, detail_from, image_from, network_from
from dockerup.local_engine import Answer, LocalEngine
from dockerup.snapshot import Asked, ContainerId, Detail

ADVICE = "Does a Docker Engine answer there, with nothing in between? docker version tells"
CONTAINER = {
    "Id": "c1",
    "Names": ["/web", "/other/web"],
    "Image": "shop/web:1",
    "ImageID": "sha256:11",
    "State": "running",
    "Status": "Up 5 seconds (healthy)",
    "Created": 1700000000,
    "Labels": {"dockerup.name": "web"},
    "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
    "Mounts": [
        {"Type": "volume", "Name": "data", "Destination": "/data"},
        {"Type": "bind", "Source": "/srv", "Destination": "/srv"},
    ],
    "ImageManifestDescriptor": {"digest": "sha256:22"},
    "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "n1"}}},
}
INSPECTED = {
    "State": {
        "Status": "running",
        "ExitCode": 0,
        "Error": "",
        "OOMKilled": False,
        "Health": {"Status": "healthy", "Log": [{"Output": "well"}]},
    },
    "RestartCount": 1,
    "Config": {
        "Env": ["A=1"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 3},
    },
    "HostConfig": {
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        "AutoRemove": False,
        "Memory": 8 << 20,
        "LogConfig": {"Type": "syslog", "Config": {"tag": "web"}},
        "Mounts": [{"Type": "volume", "VolumeOptions": {"DriverConfig": {"Options": {"o": "x"}}}}],
    },
}
IMAGE = {
    "Id": "sha256:11",
    "RepoTags": ["shop/web:1"],
    "RepoDigests": ["shop/web@sha256:33"],
    "Created": 1700000000,
    "Size": 1000,
    "Descriptor": {"annotations": {"a": "b"}},
    "Manifests": [{"ID": "sha256:22", "Kind": "image", "Available": True}],
}
NETWORK = {
    "Id": "n1",
    "Name": "shop",
    "Labels": {"a": "b"},
    "Driver": "bridge",
    "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.5.0.0/24"}], "Options": {}},
}


def answer(body: object, what: str = "ask") -> Answer:
    return Answer(what, 200, email.message.Message(), json.dumps(body).encode())


# What is told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([CONTAINER, None], "element 2 of the answer is null, where the Docker Engine API has an object"),
        ([1], "element 1 of the answer is a number, where the Docker Engine API has an object"),
        ([[]], "element 1 of the answer is a list, where the Docker Engine API has an object"),
        ([{}], 'element 1 of the answer is an object without "Id", which the Docker Engine API has not'),
        (
            [{**CONTAINER, "Created": "hunter2"}],
            "element 1 of the answer is an object with a value of a wrong kind, "
            "which the Docker Engine API has not",
        ),
        ({"message": "no"}, "the answer is an object, where the Docker Engine API has a list"),
        (None, "the answer is null, where the Docker Engine API has a list"),
    ],
)
def test_what_came_is_told_and_none_of_its_values(body: object, told: str) -> None:
    with pytest.raises(EngineError) as error:
        answer(body).each(container_from)
    assert str(error.value) == f"ask: {told}. {ADVICE}"


@pytest.mark.parametrize("version", ["", "1", "1.x", None, 1.44, "1.44\n", "../1.44"])
def test_what_is_no_version_of_the_api_is_not_taken_for_one(version: object) -> None:
    with pytest.raises(EngineError, match="with a value of a wrong kind"):
        answer({"ApiVersion": version}).read(api_version_from)
    assert answer({"ApiVersion": "1.44"}).read(api_version_from) == "1.44"


@pytest.mark.parametrize("names", [None, []])
def test_container_without_a_name_is_called_by_its_id(names: object) -> None:
    assert container_from({"Id": "0123456789abcdef", "Names": names}).name == "0123456789ab"


# Whatever is told


def _changed(draw: Callable[[Any], Any], value: object) -> object:
    """Return a JSON value in which one part is another one, or is missing."""
    inside: Sequence[Any] = (
        sorted(value) if isinstance(value, Mapping) else range(len(value)) if isinstance(value, list) else ()
    )
    if not inside or not draw(st.integers(0, 4)):
        return draw(_odd)
    key = draw(st.sampled_from(inside))
    if isinstance(value, list):
        return [*value[:key], _changed(draw, value[key]), *value[key + 1 :]]
    assert isinstance(value, Mapping)
    rest = {name: one for name, one in value.items() if name != key}
    return {**rest, key: _changed(draw, value[key])} if draw(st.integers(0, 4)) else rest


_odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        (CONTAINER, container_from),
        (INSPECTED, detail_from),
        (INSPECTED, partial(detail_from, podman=True)),
        (IMAGE, image_from),
        (IMAGE, partial(image_from, podman=True)),
        (NETWORK, network_from),
    ],
)
@given(data=st.data())
def test_an_odd_answer_is_refused_or_means_what_the_rest_can_work_with(
    body: Mapping[str, Any], meaning: Callable[[Any], Any], data: st.DataObject
) -> None:
    meaning(body)
    odd = answer(_changed(data.draw, body))
    try:
        meant = odd.read(meaning)
    except EngineError as error:
        assert error.text.endswith(ADVICE)  # noqa: PT017  # either is right
        return
    _has_its_types(meant)


def _has_its_types(one: Any) -> None:
    for field in dataclasses.fields(one):
        value, kinds = getattr(one, field.name), str(field.type).split(" | ")
        assert any(_is(value, kind) for kind in kinds), f"{field.name}: {value!r}"


def _is(value: Any, kind: str) -> bool:
    if kind in _PLAIN:
        return type(value) is _PLAIN[kind]
    if kind in ("tuple[str, ...]", "frozenset[str]"):
        return {*map(type, value)} <= {str}
    if kind == "Mapping[str, str]":
        return isinstance(value, dict) and {*map(type, value.values())} <= {str}
    if kind == "Mapping[str, Mapping[str, str]]":
        return all(_is(part, "Mapping[str, str]") for part in value.values())
    if kind == "Mapping[str, Any]":
        return isinstance(value, dict)
    assert kind in ("tuple[Port, ...]", "tuple[Mount, ...]"), kind
    for part in value:
        _has_its_types(part)
    return True


_PLAIN = {
    **dict.fromkeys(("str", "ContainerId", "ImageId"), str),
    "int": int,
    "bool": bool,
    "None": type(None),
    "Asked": Asked,
    "Detail": Detail,
}


# By the calls of the engine


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [
        ("/version", {"ApiVersion": "1.x"}, "connect to the engine unix:///run/odd.sock"),
        ("/version", "1.44", "connect to the engine unix:///run/odd.sock"),
        ("/info", None, "ask unix:///run/odd.sock"),
        ("/containers/json", [1, None], "list containers"),
        ("/images/json", ["x"], "list images"),
        ("/networks", [{"Id": "n1"}], "list networks"),
        ("/containers/c1/json", {"State": None}, "inspect c1"),
        ("/containers/c1/stats", {"memory_stats": {"usage": "all"}}, "ask for the memory of c1"),
        ("/images/web/json", {}, "inspect image web"),
    ],
)
def test_each_call_tells_what_was_asked(
    path: str, body: object, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = {"/version": {"ApiVersion": "1.44"}, "/info": {}, "/containers/json": [], "/images/json": []}
    inspected = {"/containers/c1/json": INSPECTED, "/images/web/json": IMAGE}
    answers = {**sound, "/networks": [NETWORK], **inspected, path: body}

    def get(_engine: LocalEngine, what: str, path: str, *_more: object) -> Answer:
        return answer(answers[path.replace("/v1.44", "")], what)

    monkeypatch.setattr(LocalEngine, "get", get)
    with pytest.raises(EngineError) as error:
        _ask_all(Engine("unix:///run/odd.sock", {}))
    assert str(error.value).startswith(f"{what}: ")
    assert str(error.value).endswith(ADVICE)


def _ask_all(engine: Engine) -> None:
    engine.info()
    engine.observe(networks=True)
    engine.detail(ContainerId("c1"))
    engine.image_id("web")
    engine.memory_used(ContainerId("c1"))

"""The cache directory: a convenience, whatever is in it."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockerup.files import write_whole
from dockerup.state import ENGINE_FOR, Cache, lock_path

URL = "unix:///var/run/docker.sock"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(str(tmp_path / "cache"))


def put(cache: Cache, name: str, raw: bytes) -> Path:
    path = Path(cache.directory, "state", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    path.chmod(0o600)
    return path


# Values.


def test_what_is_written_is_read(cache: Cache) -> None:
    assert cache.read("a.json") == {}
    cache.write("a.json", {"a": [1, "ü"], "b": {"c": None}})
    assert cache.read("a.json") == {"a": [1, "ü"], "b": {"c": None}}


def test_threads_that_write_one_file_at_once_leave_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.json"
    texts = [str(number).encode() * 100_000 * number for number in range(1, 4)]

    def write(raw: bytes) -> bool:
        write_whole(str(path), raw)
        return path.read_bytes() in texts

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(write, texts * 20))
    assert [one.name for one in path.parent.iterdir()] == ["a.json"]


def test_the_tokens_of_hundreds_of_images_are_read_again(cache: Cache) -> None:
    tokens = {f"repository:team/app{number}:pull": "x" * (1 << 14) for number in range(500)}
    cache.write("registries.json", tokens)
    assert cache.read("registries.json") == tokens


def test_files_are_their_owners_alone(cache: Cache) -> None:
    cache.write("a.json", {"a": 1})
    path = Path(cache.directory, "state", "a.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_nothing_is_written_when_nothing_changed(cache: Cache) -> None:
    cache.write("a.json", {"a": 1})
    path = Path(cache.directory, "state", "a.json")
    before = path.stat()
    cache.write("a.json", {"a": 1})
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    cache.write("a.json", {"a": 2})
    assert path.stat().st_ino != before.st_ino


def test_a_cache_that_was_never_needed_is_not_made(cache: Cache) -> None:
    cache.write("a.json", {})
    assert cache.read("a.json") == {}
    assert not Path(cache.directory).exists()


FOREIGN = [
    b"",
    b"{",
    b"[]",
    b"5",
    b"null",
    b'"x"',
    b"\xff\xfe",
    b"\0" * 10,
    b'{"a": 1',
    b"x" * (2 << 20),
    b"[" * 200_000,
]


@pytest.mark.parametrize("raw", FOREIGN, ids=lambda raw: repr(raw[:8]))
def test_content_that_is_none_of_ours_is_as_if_absent_and_is_replaced(cache: Cache, raw: bytes) -> None:
    put(cache, "engine.json", raw)
    put(cache, "said.json", raw)
    assert cache.read("engine.json") == {}
    assert cache.api_version(URL, now=0.0) is None
    assert cache.news(["one"]) == ["one"]
    assert cache.news(["one"]) == []
    cache.keep_api_version(URL, "1.41", now=0.0)
    assert cache.api_version(URL, now=0.0) == "1.41"


def test_a_cache_that_cannot_be_read_or_written_is_left(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory belongs")
    cache = Cache(str(tmp_path / "cache"))
    cache.write("a.json", {"a": 1})
    assert cache.read("a.json") == {}
    assert cache.news(["one"]) == ["one"]
    assert (tmp_path / "cache").read_text() == "a file where the directory belongs"


def test_a_directory_in_place_of_a_file_is_as_if_absent(cache: Cache) -> None:
    Path(cache.directory, "state", "a.json").mkdir(parents=True)
    cache.write("a.json", {"a": 1})
    assert cache.read("a.json") == {}
    assert os.listdir(Path(cache.directory, "state")) == ["a.json"]


def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(cache: Cache) -> None:
    Path(cache.directory, "state").mkdir(parents=True)
    os.mkfifo(Path(cache.directory, "state", "a.json"))
    assert cache.read("a.json") == {}
    cache.write("a.json", {"a": 1})
    assert cache.read("a.json") == {"a": 1}


def test_a_link_is_neither_read_nor_written_through(cache: Cache, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text('{"a": 1}')
    Path(cache.directory, "state").mkdir(parents=True)
    Path(cache.directory, "state", "a.json").symlink_to(elsewhere)
    assert cache.read("a.json") == {}
    cache.write("a.json", {"a": 2})
    assert elsewhere.read_text() == '{"a": 1}'
    assert cache.read("a.json") == {"a": 2}


@pytest.mark.parametrize(("owner", "mode"), [(12345, 0o600), (0, 0o660), (0, 0o602)])
def test_what_others_can_write_is_as_if_absent_and_is_replaced(
    cache: Cache, monkeypatch: pytest.MonkeyPatch, owner: int, mode: int
) -> None:
    path = put(cache, "a.json", b'{"a": 1}')
    path.chmod(mode)
    own = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = own(descriptor)
        return os.stat_result((*found[:4], owner, *found[5:]))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fstat)
        assert cache.read("a.json") == {}
    cache.write("a.json", {"a": 2})
    assert cache.read("a.json") == {"a": 2}


def test_a_linked_directory_is_neither_closed_nor_written_to(cache: Cache, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    Path(cache.directory).mkdir()
    Path(cache.directory, "state").symlink_to(elsewhere)
    cache.write("a.json", {"a": 1})
    assert list(elsewhere.iterdir()) == []
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_as_if_absent_or_an_object(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    cache = Cache(str(tmp_path_factory.mktemp("cache")))
    for name in ("engine.json", "said.json"):
        put(cache, name, raw)
    assert isinstance(cache.read("said.json"), dict)
    assert cache.api_version(URL, now=0.0) is None
    assert cache.news(["one"]) == ["one"]
    assert cache.news(["one"]) == []


@given(st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=3))
@example(10**400)
@example(float("nan"))
def test_times_of_any_kind_are_as_if_absent_or_times(
    tmp_path_factory: pytest.TempPathFactory, kept: object
) -> None:
    cache = Cache(str(tmp_path_factory.mktemp("cache")))
    raw = json.dumps({"a": kept, URL: {"info": {"said": {}, "at": kept}}}).encode()
    for name in ("seen.json", "unneeded.json", "engine.json"):
        put(cache, name, raw)
    assert 0 <= cache.first_seen(["a"], 5.0)["a"] <= 5.0
    assert 0 <= cache.unneeded_since(["a"], 5.0)["a"] <= 5.0
    assert cache.engine_info(URL, 5.0) in (None, {})


# The engine's version.


@pytest.mark.parametrize(
    ("later", "known"),
    [(0, "1.41"), (ENGINE_FOR - 1, "1.41"), (ENGINE_FOR, None), (-1, None)],
)
def test_a_version_is_known_for_an_hour_and_not_before_it_was_asked(
    cache: Cache, later: float, known: str | None
) -> None:
    cache.keep_api_version(URL, "1.41", now=1000.0)
    assert cache.api_version(URL, now=1000.0 + later) == known


@pytest.mark.parametrize("said", ["1.0", "1.23", "1.024", "2.41", "1.41/..", "1.99999", 1.41, None])
def test_a_version_that_the_sdk_does_not_take_is_none(cache: Cache, said: object) -> None:
    cache.write("engine.json", {URL: {"api": {"said": said, "at": 0.0}}})
    assert cache.api_version(URL, now=0.0) is None


def test_a_version_is_that_of_its_engine(cache: Cache) -> None:
    cache.keep_api_version(URL, "1.41", now=0.0)
    assert cache.api_version("tcp://10.0.0.1:2376", now=0.0) is None


def test_a_version_can_be_forgotten(cache: Cache) -> None:
    cache.keep_api_version(URL, "1.41", now=0.0)
    cache.forget_engine()
    assert cache.api_version(URL, now=0.0) is None


@pytest.mark.parametrize(
    "known",
    [
        *(5, [], "1.41", {}),
        *({"api": one} for one in ("1.41", {"said": "1.41"}, {"at": 0}, {"said": 5, "at": 0})),
        {"api": {"said": "1.41", "at": "now"}},
        *(
            {"api": {"said": text, "at": 0}}
            for text in ("", "1", "banana", "1.41/..", "1.4e1", "1.41\n", "2.0")
        ),
    ],
)
def test_a_version_in_another_form_is_not_known(cache: Cache, known: object) -> None:
    put(cache, "engine.json", json.dumps({URL: known}).encode())
    assert cache.api_version(URL, now=0.0) is None


# Since when images have been unneeded.


def test_image_is_known_since_it_was_first_told_of(cache: Cache) -> None:
    assert cache.unneeded_since(["a"], now=10.0) == {"a": 10.0}
    assert cache.unneeded_since(["a", "b"], now=20.0) == {"a": 10.0, "b": 20.0}


def test_image_that_was_needed_in_between_is_new_again(cache: Cache) -> None:
    cache.unneeded_since(["a", "b"], now=10.0)
    cache.unneeded_since(["b"], now=20.0)
    assert cache.unneeded_since(["a", "b"], now=30.0) == {"a": 30.0, "b": 10.0}
    cache.unneeded_since([], now=40.0)
    assert cache.unneeded_since(["b"], now=50.0) == {"b": 50.0}


def test_image_cannot_have_been_known_later_than_now(cache: Cache) -> None:
    cache.unneeded_since(["a"], now=10.0)
    assert cache.unneeded_since(["a"], now=5.0) == {"a": 5.0}


@pytest.mark.parametrize("since", ["1", None, [], {}])
def test_time_in_another_form_is_now(cache: Cache, since: object) -> None:
    put(cache, "unneeded.json", json.dumps({"a": since}).encode())
    assert cache.unneeded_since(["a"], now=10.0) == {"a": 10.0}


def test_no_file_is_made_as_long_as_all_images_are_needed(cache: Cache) -> None:
    assert cache.unneeded_since([], now=10.0) == {}
    assert not Path(cache.directory).exists()


# What was said.


def test_a_line_with_another_id_that_the_engine_made_up_is_no_news(cache: Cache) -> None:
    """It calls an endpoint by another one at each try to start a container whose port is taken."""
    taken = "web: not started: on endpoint web ({}): address already in use"
    assert cache.news([taken.format("a1" * 32)]) == [taken.format("a1" * 32)]
    assert cache.news([taken.format("b2" * 32)]) == []
    digest = "web: not replaced (newer image: sha256:{})"
    assert cache.news([digest.format("a1" * 32)]) == [digest.format("a1" * 32)]
    assert cache.news([digest.format("b2" * 32)]) == [digest.format("b2" * 32)]


def test_a_line_is_news_once_until_it_was_away(cache: Cache) -> None:
    assert cache.news(["one", "two"]) == ["one", "two"]
    assert cache.news(["two", "one"]) == []
    assert cache.news(["two", "three"]) == ["three"]
    assert cache.news([]) == []
    assert cache.news(["three"]) == ["three"]


@pytest.mark.parametrize("said", [5, None, "0123456789abcdef", {}])
def test_what_was_said_in_another_form_was_not_said(cache: Cache, said: object) -> None:
    put(cache, "said.json", json.dumps({"said": said}).encode())
    assert cache.news(["one"]) == ["one"]


def test_a_line_with_a_file_name_that_is_no_text_can_be_said(cache: Cache) -> None:
    assert cache.news(["\udcff"]) == ["\udcff"]
    assert cache.news(["\udcff"]) == []


def test_lines_that_were_said_are_not_kept_in_clear(cache: Cache) -> None:
    cache.news(["web: pull failed"])
    assert "pull" not in Path(cache.directory, "state", "said.json").read_text()


# The place of the lock.


def test_roots_locks_lie_where_a_reboot_empties() -> None:
    path = lock_path(URL, {"XDG_RUNTIME_DIR": "/run/user/0"}, 0)
    assert os.path.dirname(path) == "/run/dockerup"


def test_others_have_their_own_directory() -> None:
    assert lock_path(URL, {"XDG_RUNTIME_DIR": "/x"}, 1000).startswith("/x/dockerup/")
    assert lock_path(URL, {}, 1000).startswith("/run/user/1000/dockerup/")


def test_one_engine_has_one_lock_by_whatever_link_it_is_reached(tmp_path: Path) -> None:
    (tmp_path / "other.sock").symlink_to(tmp_path / "docker.sock")
    paths = {
        lock_path(f"unix://{tmp_path}/{name}", {}, 0)
        for name in ("docker.sock", "other.sock", "./docker.sock")
    }
    assert len(paths) == 1


@given(st.text(), st.text())
def test_two_engines_have_two_locks(one: str, other: str) -> None:
    same = lock_path(f"tcp://{one}", {}, 0) == lock_path(f"tcp://{other}", {}, 0)
    assert same is (one == other)


def test_what_is_remembered_of_adopted_containers_is_of_their_engine_and_garbage_is_nothing(
    tmp_path: Path,
) -> None:
    cache = Cache(str(tmp_path))
    assert cache.adopted("unix:///a") == {}
    cache.keep_adopted("unix:///a", {"1": {"dockerup.name": "web"}})
    cache.keep_adopted("unix:///b", {"2": {"dockerup.name": "db"}})
    cache.keep_adopted("unix:///a", {})
    assert cache.adopted("unix:///a") == {}
    assert cache.adopted("unix:///b") == {"2": {"dockerup.name": "db"}}
    odd_ones: list[dict[str, object]]
    odd_ones = [{"unix:///a": []}, {"unix:///a": {"1": "web", "2": {"n": 7}}}, {"unix:///a": None}]
    for odd in odd_ones:
        cache.write("adopted.json", odd)
        assert cache.adopted("unix:///a") in ({}, {"2": {"n": "7"}})


# What was changed in place.


def test_what_was_changed_in_place_is_remembered(cache: Cache) -> None:
    assert cache.in_place() is None
    cache.keep_in_place({})
    assert cache.in_place() == {}
    cache.keep_in_place({"1234": "1:abc", "5678": ""})
    assert cache.in_place() == {"1234": "1:abc", "5678": ""}


@pytest.mark.parametrize("known", [None, [], {"1234": 1}, "x"])
def test_what_was_changed_in_place_in_another_form_is_not_known(cache: Cache, known: object) -> None:
    cache.write("in-place.json", {"has": known})
    assert cache.in_place() is None


def test_what_cannot_be_remembered_is_forgotten(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep_in_place({"1234": "1:abc"})

    def full(_path: str, _raw: bytes) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("dockerup.state.write_whole", full)
    cache.keep_in_place({"1234": ""})
    assert cache.in_place() is None

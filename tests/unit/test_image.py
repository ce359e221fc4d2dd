"""Image references: the grammar of the engine, and messages that tell what to write."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockerup.image import ImageRef, InvalidReferenceError, default_name, is_digest, parse_reference

SHA = "sha256:" + "0123456789abcdef" * 4

PATH_PART = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}", fullmatch=True)
DOMAIN = st.sampled_from(
    [
        "team/",
        "docker.io/",
        "index.docker.io/",
        "localhost/",
        "ghcr.io/",
        "127.0.0.1:5000/",
        "[::1]:5000/",
        "A.b:1/",
    ]
)
SUFFIX = st.sampled_from(["", ":1.27", ":_x", f"@{SHA}", f":v1@{SHA}"])
WRITTEN = st.builds(
    lambda domain, parts, suffix: domain + "/".join(parts) + suffix,
    DOMAIN,
    st.lists(PATH_PART, min_size=1, max_size=4),
    SUFFIX,
)


@pytest.mark.parametrize(
    ("text", "full", "familiar", "familiar_name"),
    [
        ("nginx", "docker.io/library/nginx:latest", "nginx:latest", "nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27", "nginx"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest", "nginx"),
        ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1", "nginx:1", "nginx"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest", "library/a/b"),
        ("team/app:2", "docker.io/team/app:2", "team/app:2", "team/app"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest", "localhost/x"),
        ("localhost:5000", "docker.io/library/localhost:5000", "localhost:5000", "localhost"),
        ("127.0.0.1:5000/web:1", "127.0.0.1:5000/web:1", "127.0.0.1:5000/web:1", "127.0.0.1:5000/web"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest", "[::1]:5000/x"),
        ("[fe80::1]/x:1", "[fe80::1]/x:1", "[fe80::1]/x:1", "[fe80::1]/x"),
        (f"nginx@{SHA}", f"docker.io/library/nginx@{SHA}", f"nginx@{SHA}", "nginx"),
        (f"nginx:1@{SHA}", f"docker.io/library/nginx:1@{SHA}", f"nginx:1@{SHA}", "nginx"),
        (
            "ghcr.io/a__b/c--d.e",
            "ghcr.io/a__b/c--d.e:latest",
            "ghcr.io/a__b/c--d.e:latest",
            "ghcr.io/a__b/c--d.e",
        ),
    ],
)
def test_what_is_left_out_is_filled_in_as_the_engine_does(
    text: str, full: str, familiar: str, familiar_name: str
) -> None:
    ref = parse_reference(text)
    assert (str(ref), ref.familiar, ref.familiar_name) == (full, familiar, familiar_name)


def test_the_parts_of_a_reference_with_everything_in_it() -> None:
    assert parse_reference(f"ghcr.io:443/team/app:2@{SHA}") == ImageRef("ghcr.io:443", "team/app", "2", SHA)


def test_only_a_reference_with_a_digest_is_pinned() -> None:
    assert [parse_reference(text).pinned for text in ("nginx:1", f"nginx@{SHA}", f"nginx:1@{SHA}")] == [
        False,
        True,
        True,
    ]


def test_with_a_digest_it_reads_as_the_engine_lists_it_in_repo_digests() -> None:
    assert parse_reference("nginx:1.27").with_digest(SHA).familiar == f"nginx@{SHA}"


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("", "the image is empty", "nginx:1.27"),
        ("  ", "the image is empty", "nginx:1.27"),
        ("nginx:", 'no tag after the ":"', '"nginx:latest" or "nginx"'),
        (" nginx:1 ", "no spaces", '"nginx:1"'),
        ("my app", "no spaces", '"myapp"'),
        ("nginx:1\n", "no spaces", '"nginx:1"'),
        ("Nginx", "lower case", '"nginx"'),
        ("Team/App:2", "lower case", '"team/app"'),
        ("ghcr.io/Team/app", "lower case", '"ghcr.io/team/app"'),
        ("https://ghcr.io/team/app:2", 'without "https://"', '"ghcr.io/team/app:2"'),
        ("docker://nginx", 'without "docker://"', '"nginx"'),
        ("https://", 'without "https://"', "nginx:1.27"),
        ("nginx:a b", "no spaces", '"nginx:ab"'),
        ("nginx:-x", '"-x" is not a tag', "letters, digits"),
        ("nginx:" + "t" * 129, "129 characters", "at most 128"),
        ("nginx@sha256:12", '"sha256:12" is not a digest', "64 digits"),
        ("nginx@", '"" is not a digest', "64 digits"),
        ("nginx@md5:" + "0" * 32, "is not a digest", "64 digits"),
        ("nginx@" + SHA.upper(), "is not a digest", "64 digits"),
        ("a" * 64, "id of an image", "nginx:1.27"),
        ("ghcr.io/", "no image in it", '"ghcr.io/IMAGE:TAG"'),
        ("[::1]:5000", "no image in it", '"[::1]:5000/IMAGE:TAG"'),
        ("a//b", 'between a "/"', '"a/b"'),
        ("/nginx", 'between a "/"', '"nginx"'),
        ("ghcr.io/a/", 'between a "/"', '"ghcr.io/a"'),
        ("-x.io/a", '"-x.io" is not the address of a registry', "registry.example.com"),
        ("ghcr.io:/a", '"ghcr.io:" is not the address of a registry', "registry.example.com"),
        ("ghcr.io:70000/a", "no port 70000", "65535"),
        ("nginx_", '"nginx_" cannot be part', "lower-case letters"),
        ("ngi\u00f1x", "cannot be part", "lower-case letters"),
        ("a/" + "b" * 250, "too long", "255"),
        ("x" * 700, "700 characters", "nginx:1.27"),
    ],
)
def test_a_mistake_is_named_with_what_to_write_instead(text: str, what: str, fix: str) -> None:
    with pytest.raises(InvalidReferenceError) as caught:
        parse_reference(text)
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert str(caught.value) == f"{caught.value.what}. {caught.value.fix}"


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ValueError, match=re.escape('Write "ghcr.io/team/app".')) as caught:
        parse_reference("https://me:hunter2@ghcr.io/team/app")
    assert "hunter2" not in str(caught.value)


@given(WRITTEN)
@example(f"docker.io/library/library@{SHA}")
def test_the_full_form_parses_to_the_same_reference(text: str) -> None:
    ref = parse_reference(text)
    assert parse_reference(str(ref)) == ref


@given(WRITTEN)
def test_the_familiar_form_parses_to_the_same_reference_where_a_person_wrote_it_so(text: str) -> None:
    ref = parse_reference(text)
    # "docker.io/localhost/x" is shown as "localhost/x", and "docker.io/a.b/c" as "a.b/c": the engine's quirk.
    first = ref.familiar_name.partition("/")[0]
    if ref.domain != "docker.io" or "/" not in ref.familiar_name or not re.search(r"[.:]|^localhost$", first):
        assert parse_reference(ref.familiar) == ref


@given(st.one_of(st.text(), st.text(alphabet="aA0._-/:@[] \n%"), WRITTEN.map(lambda text: text + ":@x")))
def test_any_text_is_a_reference_or_a_value_error_with_a_suggestion_that_holds(text: str) -> None:
    error = _refusal(text)
    if error is not None:
        assert (error.fix[-1], error.what[-1] == ".", str(error).splitlines()) == (".", False, [str(error)])
        better = re.match(r'Write "([^"]+)"( or "[^"]+")?\.$', error.fix)
        assert not better or "IMAGE:TAG" in better.group(1) or _refusal(better.group(1)) is None


def _refusal(text: str) -> InvalidReferenceError | None:
    try:
        parse_reference(text)
    except InvalidReferenceError as error:
        return error
    return None


@given(WRITTEN)
def test_a_default_name_has_only_characters_that_the_engine_takes(text: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", default_name(parse_reference(text)))


def test_the_default_name_is_the_last_part_of_the_path() -> None:
    assert default_name(parse_reference("ghcr.io/team/my-app:2")) == "my-app"


@pytest.mark.parametrize(
    ("text", "holds"), [(SHA, True), (SHA[:-1], False), (SHA + "\n", False), ("", False)]
)
def test_a_digest_is_known_by_its_form(text: str, holds: bool) -> None:
    assert is_digest(text) is holds

"""Where a registry is reached, by what the engine was told: hosts, networks, mirrors, certificates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerup.endpoints import Certificates, EngineRegistries, Place, is_insecure, places, read_certificates
from dockerup.http_session import proxies_for
from dockerup.problems import InvalidInputError

LOOPBACK = ("127.0.0.0/8", "::1/128")


def info(**config: Any) -> dict[str, Any]:
    return {"RegistryConfig": config}


def no_resolver(host: str) -> Iterable[str]:
    pytest.fail(f"{host} was looked up")


def places_of(domain: str, engine: EngineRegistries, certificates: str = "") -> list[Place]:
    return places(domain, engine, certificates, no_resolver)


def urls(domain: str, engine: EngineRegistries) -> list[tuple[str, bool]]:
    return [(end.url, end.verified) for place in places_of(domain, engine) for end in place.endpoints]


def test_a_registry_is_asked_over_tls_alone() -> None:
    assert urls("ghcr.io", EngineRegistries()) == [("https://ghcr.io", True)]


def test_docker_hub_is_asked_at_its_own_host() -> None:
    (place,) = places_of("docker.io", EngineRegistries())
    assert (place.name, [end.url for end in place.endpoints]) == (
        "docker.io",
        ["https://registry-1.docker.io"],
    )


def test_on_this_machine_any_certificate_or_none_will_do() -> None:
    host = "127.0.0.1:5000"
    assert urls(host, EngineRegistries()) == [(f"https://{host}", False), (f"http://{host}", False)]


def test_a_registry_that_the_engine_is_told_is_insecure_may_speak_http() -> None:
    told = EngineRegistries.of(
        info(IndexConfigs={"reg:5000": {"Secure": False}, "docker.io": {"Secure": True}})
    )
    assert urls("reg:5000", told) == [("https://reg:5000", False), ("http://reg:5000", False)]
    assert urls("other:5000", told) == [("https://other:5000", True)]


def test_mirrors_are_asked_before_docker_hub_and_for_nothing_else() -> None:
    told = EngineRegistries.of(
        info(Mirrors=["https://mirror.example.com/", "http://10.0.0.5:5000/", "plain:1"])
    )
    assert urls("docker.io", told) == [
        ("https://mirror.example.com", True),
        ("http://10.0.0.5:5000", True),
        ("https://plain:1", True),
        ("https://registry-1.docker.io", True),
    ]
    assert [place.name for place in places_of("docker.io", told)][-2:] == ["plain:1", "docker.io"]
    assert urls("ghcr.io", told) == [("https://ghcr.io", True)]


@pytest.mark.parametrize(
    ("host", "networks", "addresses", "insecure"),
    [
        ("10.1.2.3:5000", ("10.0.0.0/8",), (), True),
        ("11.1.2.3:5000", ("10.0.0.0/8",), (), False),
        ("reg.lan:5000", ("10.0.0.0/8",), ("192.0.2.1", "10.9.9.9"), True),
        ("reg.lan:5000", ("10.0.0.0/8",), ("192.0.2.1",), False),
        ("reg.lan:5000", ("10.0.0.0/8",), (), False),
        ("[::1]:5000", LOOPBACK, (), True),
        ("[::1]:5000", LOOPBACK[:1], (), False),
        ("localhost:5000", LOOPBACK, ("127.0.0.1",), True),
        ("10.1.2.3", ("banana", "10.0.0.0/8"), (), True),
    ],
)
def test_a_network_of_addresses_is_insecure_as_the_engine_says(
    host: str, networks: tuple[str, ...], addresses: tuple[str, ...], insecure: bool
) -> None:
    assert is_insecure(host, EngineRegistries(networks=networks), lambda _host: addresses) is insecure


def test_no_name_is_looked_up_where_only_this_machine_is_insecure() -> None:
    assert not is_insecure("reg.example.com", EngineRegistries(networks=LOOPBACK), no_resolver)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["IndexConfigs", "InsecureRegistryCIDRs", "Mirrors"]), JSON), JSON)
def test_no_answer_of_an_engine_breaks_the_reading(config: dict[str, Any], proxy: Any) -> None:
    told = EngineRegistries.of({"RegistryConfig": config, "HttpProxy": proxy})
    assert places("docker.io", told, "", lambda _host: ())[-1].name == "docker.io"


# Certificates.


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "certs.d" / "reg:5000"
    made.mkdir(parents=True, mode=0o755)
    return made


def put(directory: Path, name: str, mode: int = 0o644) -> str:
    path = directory / name
    path.write_text(name)
    path.chmod(mode)
    return str(path)


def test_certificates_are_those_of_the_hosts_own_directory(directory: Path) -> None:
    put(directory, "ca.crt")
    put(directory, "README")
    pair = (put(directory, "client.cert"), put(directory, "client.key", 0o600))
    put(directory, "alone.cert")
    (place,) = places_of("reg:5000", EngineRegistries(), str(directory.parent))
    assert place.certificates == Certificates(("ca.crt",), (pair,))
    (other,) = places_of("other", EngineRegistries(), str(directory.parent))
    assert other.certificates == Certificates()


@pytest.mark.parametrize("name", ["ca.crt", "client.cert", "client.key"])
def test_certificates_that_others_can_write_are_refused(directory: Path, name: str) -> None:
    for one in ("ca.crt", "client.cert", "client.key"):
        put(directory, one)
    put(directory, name, 0o666)
    with pytest.raises(InvalidInputError, match="others may write"):
        read_certificates(str(directory))


# Proxies.

ENGINES = {"https": "http://10.0.0.9:3128", "no": "reg.lan"}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def test_the_engines_proxy_is_used_where_the_environment_names_none(bare: pytest.MonkeyPatch) -> None:
    assert proxies_for("https://ghcr.io/v2/", ENGINES) == {"https": "http://10.0.0.9:3128"}
    assert proxies_for("https://reg.lan/v2/", ENGINES) == {}
    bare.setenv("HTTPS_PROXY", "http://mine:1")
    assert proxies_for("https://ghcr.io/v2/", ENGINES) == {"https": "http://mine:1"}


def test_a_proxy_of_which_the_engine_hides_the_login_is_none() -> None:
    told = {"HttpProxy": "http://xxxxx:xxxxx@10.0.0.9:3128", "HttpsProxy": "http://10.0.0.9:3128", **info()}
    assert EngineRegistries.of(told).proxies == {"https": "http://10.0.0.9:3128"}

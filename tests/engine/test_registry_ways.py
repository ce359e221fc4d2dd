"""The engine's own view of registries is dockerup's: authorities, client certificates, HTTP, mirrors."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.stories import Story
from tests.engine.stories import story_fixture as story_fixture
from tests.engine.test_registry_check import running
from tests.testbed.engine import Engine
from tests.testbed.images import make_image
from tests.testbed.namespace import ENGINES
from tests.testbed.registry import Registry

# This machine, and no loopback address to an engine: it wants a certificate that is trusted.
BEYOND = "0.0.0.0"


@dataclass(frozen=True)
class Authority:
    """An authority of the tests' own, with what it signed for a server and for a client."""

    directory: Path

    @property
    def certificate(self) -> Path:
        return self.directory / "ca.crt"

    def signed(self, name: str, *more: str) -> tuple[Path, Path]:
        """Return certificate and key for a name."""
        key, request, certificate = (self.directory / f"{name}.{end}" for end in ("key", "csr", "cert"))
        _openssl("req", *NEW_KEY, "-subj", f"/CN={name}", *more, "-keyout", str(key), "-out", str(request))
        sign = ["-CA", str(self.certificate), "-CAkey", str(self.directory / "ca.key"), "-CAcreateserial"]
        copied = ["-copy_extensions", "copy", "-days", "2"]
        _openssl("x509", "-req", "-in", str(request), *sign, *copied, "-out", str(certificate))
        return certificate, key


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], capture_output=True, check=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("authority"))
    out = ("-keyout", str(made.directory / "ca.key"), "-out", str(made.certificate))
    _openssl("req", "-x509", *NEW_KEY, "-subj", "/CN=the tests' own authority", "-days", "2", *out)
    return made


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Registry]:
    """A registry to push to; the others of a test serve what is pushed to it."""
    with running(Registry(tmp_path / "plain")) as registry:
        yield registry


@contextlib.contextmanager
def serving(directory: Path, plain: Registry, **http: object) -> Iterator[str]:
    """Give the host, not loopback, at which the plain registry's images are served in another way."""
    storage = {"filesystem": {"rootdirectory": str(plain.directory / "data")}}
    other = Registry(directory, {"storage": storage, "http": http}, bind=BEYOND)
    with running(other):
        yield other.host.replace("127.0.0.1", BEYOND)


@pytest.fixture
def certificates(engine: Engine) -> Iterator[Path]:
    """The directory of certs.d, which is the private namespace's own."""
    directory = ENGINES / "certs.d"
    yield directory
    subprocess.run(["rm", "-rf", str(directory)], check=True)


def hold(directory: Path, *files: Path) -> None:
    """Put certificates in place for a host."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in files:
        place = directory / file.name
        place.write_bytes(file.read_bytes())
        place.chmod(0o600)


@contextlib.contextmanager
def told(engine: Engine, *options: str) -> Iterator[None]:
    """Run the engine with more options for a while."""
    engine.options = options
    engine.restart()
    try:
        yield
    finally:
        engine.options = ()
        engine.restart()


def starts_and_follows(story: Story, plain: Registry, image: str, name: str) -> None:
    """Tell by a real run that an image is fetched, and by another that a newer one is noticed."""
    plain.push(make_image("1"), name)
    story.define("web", image)
    assert story.run().stdout == "web: created (not there)\n"
    story.nothing_to_do()
    plain.push(make_image("2"), name)
    assert "web: replaced (newer image" in story.run().stdout
    story.nothing_to_do()


def test_registry_of_an_own_authority_is_trusted_by_its_file_in_certs_d(
    story: Story, plain: Registry, authority: Authority, certificates: Path, tmp_path: Path
) -> None:
    certificate, key = authority.signed("server", "-addext", f"subjectAltName=IP:{BEYOND}")
    tls = {"certificate": str(certificate), "key": str(key)}
    with serving(tmp_path / "tls", plain, tls=tls) as host:
        plain.push(make_image("1"), "web")
        story.define("web", f"{host}/web")
        assert "certificate" in story.run(code=1).stderr
        forget_registries(story)
        hold(certificates / host, authority.certificate)
        starts_and_follows(story, plain, f"{host}/web", "web")


def test_registry_that_asks_who_comes_is_shown_the_client_certificate_of_certs_d(
    story: Story, plain: Registry, authority: Authority, certificates: Path, tmp_path: Path
) -> None:
    certificate, key = authority.signed("server", "-addext", f"subjectAltName=IP:{BEYOND}")
    tls = {"certificate": str(certificate), "key": str(key), "clientcas": [str(authority.certificate)]}
    with serving(tmp_path / "tls", plain, tls=tls) as host:
        hold(certificates / host, authority.certificate, *authority.signed("client"))
        starts_and_follows(story, plain, f"{host}/web", "web")


def test_registry_that_the_engine_was_told_is_insecure_is_asked_in_clear(
    story: Story, plain: Registry, tmp_path: Path
) -> None:
    with serving(tmp_path / "http", plain) as host:
        with told(story.engine, f"--insecure-registry={host}"):
            starts_and_follows(story, plain, f"{host}/web", "web")
        plain.push(make_image("3"), "web")
        story.dockerup.cache.joinpath("state", "engine.json").unlink()
        assert "does not speak TLS" in story.run().stderr


def test_mirror_is_asked_for_images_of_docker_hub(story: Story, plain: Registry, tmp_path: Path) -> None:
    proxy = {"proxy": {"remoteurl": f"http://{plain.host}"}}
    mirror = Registry(tmp_path / "mirror", proxy)
    with running(mirror), told(story.engine, f"--registry-mirror=http://{mirror.host}"):
        starts_and_follows(story, plain, "web", "library/web")
        assert any(one.startswith("HEAD /v2/library/web/manifests/latest") for one in mirror.requests())
        mirror.stop()
        # The Hub itself cannot be reached from here.
        gone = story.run()
        assert f"{mirror.host} does not say whether there are newer images" in gone.stderr
        assert "docker.io does not say whether there are newer images" in gone.stderr
        story.nothing_to_do()


def forget_registries(story: Story) -> None:
    """Let the next run ask at once."""
    story.dockerup.cache.joinpath("state", "registries.json").unlink()

"""What is built from this tree: a wheel and a source archive with the product and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import dockerup
from tests.testbed.command import ROOT

PRODUCT = ("dockerup", "cc_dockerup")
NOT_BUILT_FROM = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source archive of this tree, the wheel made from the archive."""
    directory = tmp_path_factory.mktemp("built")
    source = directory / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_BUILT_FROM))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(directory), str(source)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return directory


def product_modules() -> set[str]:
    return {str(file.relative_to(ROOT)) for package in PRODUCT for file in (ROOT / package).rglob("*.py")}


def test_wheel_holds_every_module_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"dockerup-{dockerup.__version__}-py3-none-any.whl"

    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("LICENSE")]

    assert names == product_modules()
    assert len(licences) == 1


def test_source_archive_holds_what_a_build_needs_and_no_tests(built: Path) -> None:
    (archive_path,) = built.glob("*.tar.gz")
    with tarfile.open(archive_path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    files = {name for name in names if name.endswith(".py")}
    assert files == product_modules() | {"setup.py"}
    assert {"LICENSE", "pyproject.toml"} <= names
    assert not [name for name in names if name.startswith("tests")]


def test_installed_wheel_gives_the_command_and_the_module(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(place),
    ]
    subprocess.run([*pip, str(wheel)], check=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": str(place)}

    for command in ([str(place / "bin" / "dockerup")], [sys.executable, "-m", "dockerup"]):
        ended = subprocess.run(
            [*command, "--help"],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert ended.returncode == 0, ended.stderr
        assert "--config" in ended.stdout

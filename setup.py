"""How dockerup is packaged. The settings of tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"


def version() -> str:
    """Return the version without importing the package, whose requirements may not be installed yet."""
    text = (HERE / "dockerup" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit('setup.py: dockerup/__init__.py holds no line __version__ = "..."')
    return found[1]


setup(
    name="dockerup",
    version=version(),
    description="Make one host run exactly the Docker containers that its configuration lists",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["dockerup", "dockerup.*", "cc_dockerup", "cc_dockerup.*"]),
    python_requires=">=3.9",
    install_requires=["docker>=5.0", "PyYAML", "requests"],
    extras_require={
        "tty": ["rich"],  # bars for pulls at a terminal
        "test": [
            "build",
            "cfn-lint",
            "hypothesis",
            "jsonschema",
            "moto[cloudformation]",
            "mypy",
            "pytest",
            "rich",
            "ruff>=0.17,<0.18",  # another one formats differently
            "setuptools>=61",
            "types-PyYAML",
            "types-requests",
            "wheel",
        ],
    },
    entry_points={"console_scripts": ["dockerup=dockerup.cli:main"]},
    classifiers=[
        "Environment :: Console",
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Systems Administration",
    ],
)

"""dockerup makes one host run exactly the Docker containers that its configuration lists."""

__version__ = "2.0.0"

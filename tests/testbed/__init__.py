"""A private host for tests and the demo: a Docker Engine, a registry and EC2 metadata of its own.

`namespace` gives the world that the parts run in; `host` puts them together; the rest is one part a file.
"""

"""Tests on a real Docker Engine and a real registry, in a network namespace of their own."""

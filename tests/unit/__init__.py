"""Tests without an engine: no sockets, no programs, no clock, no home directory."""

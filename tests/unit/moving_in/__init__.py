"""Tests of `dockerup import`."""

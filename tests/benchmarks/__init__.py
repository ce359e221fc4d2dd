"""Measurements, beside what people would run instead. `make bench` runs them; no test asserts a time."""

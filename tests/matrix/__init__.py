"""The core story on every engine, store, SDK and Python that users have: `make test-matrix`."""

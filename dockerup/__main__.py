"""`python -m dockerup` is the same as the `dockerup` command."""

from __future__ import annotations

import sys

from dockerup.cli import main

if __name__ == "__main__":
    sys.exit(main())

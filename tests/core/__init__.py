"""What has to hold on every engine that users have: see tests/testbed/kinds.py for how one is chosen."""

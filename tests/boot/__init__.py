"""Boots with real cloud-init, in containers of Debian root file systems on the private engine."""

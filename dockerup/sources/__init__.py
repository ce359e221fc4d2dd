"""Where the list of containers comes from."""

"""The tests of dockerup, and the private host that they run on."""

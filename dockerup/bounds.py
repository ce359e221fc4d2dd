"""How much a document may hold, whichever parser reads it: a bomb is refused before it goes off."""

LIMIT_NODES = 100_000  # values, those that an alias repeats counted again
LIMIT_DEPTH = 100

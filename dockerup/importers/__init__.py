"""Moving in: what other tools' definitions of containers mean as entries of `containers.d`.

Each importer is a pure function from a document to an `Imported`; `command` reads files, asks the engine and
writes. Only `dockerup import` loads anything in here.
"""

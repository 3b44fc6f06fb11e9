"""What customers pay by contract: signed lines beside the list price.

Made from a TOML file or the canonical JSON of an earlier one, for `posting`, which adds the lines to a position.
"""

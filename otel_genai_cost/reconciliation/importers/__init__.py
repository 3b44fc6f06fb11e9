"""How bills are read: one format a file, each with where it is documented."""

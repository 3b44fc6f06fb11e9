"""A collector's configuration: read, and changed where it is written, so that all else in the file stays as it is."""

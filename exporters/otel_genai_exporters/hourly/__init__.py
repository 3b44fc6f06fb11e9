"""Entries as Parquet files by the hour, in a folder or an object store, with a manifest that says what counts."""

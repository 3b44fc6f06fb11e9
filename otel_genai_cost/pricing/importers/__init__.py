"""Making the default price book: public lists, pinned by version and hash, compared, and corrected by hand."""

"""Who asks the pages: sessions, links, providers of identity, and what a browser is told to keep to."""

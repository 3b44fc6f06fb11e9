"""What each page shows, one file a page: from data, what was asked and who asks to values of a template."""

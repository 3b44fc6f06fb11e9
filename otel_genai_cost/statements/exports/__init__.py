"""What becomes of a statement: files for people, for spreadsheets and for cost tools. A rerun makes the same bytes."""

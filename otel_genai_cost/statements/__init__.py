"""What is charged to whom for a period: revised by differences, never edited."""

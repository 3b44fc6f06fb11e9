"""What customers pay: imported rows, each for a stretch of time, recognised as that goes by."""

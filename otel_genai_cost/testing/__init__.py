"""For tests, ours and other people's: a sink in memory, and stand-ins for providers that bill what they answer."""

"""Servers and frameworks, one file of facts each: which call encloses a whole request, and how to see the request."""

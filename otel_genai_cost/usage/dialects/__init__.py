"""One file for each way in which instrumentations write usage: a pure function from a span to a reading.

No dialect imports another. `scopes.py` of the room above says which one reads a span.
"""

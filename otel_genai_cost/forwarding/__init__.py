"""How a journal travels: its segments' bytes, sent as they are to a folder elsewhere, acknowledged once durable.

Made from what `journal` writes, for agents and ledgers on other machines; the application, an agent and the collector's
hop send alike. Nothing is encoded anew and nothing can be doubled: bytes have a place, and are kept there once.
"""

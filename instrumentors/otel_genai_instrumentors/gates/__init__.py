"""How a gate stands before the calls of each client: one file of facts a library."""

"""LLM clients, one file of facts each: which methods, and how to read request, response and chunks."""

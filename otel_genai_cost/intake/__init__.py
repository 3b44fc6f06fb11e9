"""How journals arrive: segments' bytes from other machines, appended to folders that every reader of journals can read,
and acknowledged once they are on the disk.

Made from what `forwarding` sends, for `genai-cost ledger serve` and `genai-cost agent`.
"""

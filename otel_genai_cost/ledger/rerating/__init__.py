"""Rating booked charges again, by another price book or by other contracts.

Made from a charge's entries and members, for `genai-cost rerate`, previews and `ship`: entries with the difference.
"""

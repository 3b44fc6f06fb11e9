"""Which observations are one provider response, and what that response comes to. Pure.

Made from a set of observations, in any order: one verdict for each response, for `posting`.
"""

"""What happens inside the application: of spans of LLM calls, made by whatever instrumentation, this room makes
observations in the journal, and the attributes on those spans that say what they cost.

`meter.py` is the path of one call, pure; `processor.py` is where it hangs in the SDK, and the way of a span. For the
ledger, which reads the journal, and for whoever looks at traces. It is switched on by `activation.py`.
"""

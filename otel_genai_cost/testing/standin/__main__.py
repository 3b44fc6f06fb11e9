"""A stand-in for every provider that there is a wire format of:

python -m otel_genai_cost.testing.standin --port 8001 --bill provider.jsonl
"""

from otel_genai_cost.testing.standin.command import serve
from otel_genai_cost.testing.standin.server import StandIn

if __name__ == "__main__":
    serve("A stand-in for every provider.", lambda bill, port: StandIn(bill=bill, port=port))

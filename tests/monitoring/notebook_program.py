"""Runs the notebook as a script, and prints what its cells found: `python notebook_program.py FOLDER_OF_IT ENTRIES`."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    os.environ["GENAI_COST_ENTRIES"] = sys.argv[2]
    sys.argv[1:] = []
    _, found = import_module("questions").app.run()
    names = ("whole", "concentration", "lengths", "week", "mix", "corrections")
    print(json.dumps({name: found[name] for name in names}, default=str))

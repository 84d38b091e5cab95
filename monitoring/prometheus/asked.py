"""What the dashboard and docs/METRICS.md ask, as recording rules on stdout: `promtool check rules` then parses it."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def dashboard(part):
    """Every `expr` of it, with a value where Grafana puts one."""
    if isinstance(part, dict):
        if isinstance(part.get("expr"), str):
            yield part["expr"].replace("$__rate_interval", "5m")
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from dashboard(inner)


def questions(text):
    """The second column of the table of useful questions."""
    table = text.split("## Useful questions", 1)[1]
    return re.findall(r"^\| [^|]+ \| `(.+)` \|$", table, re.MULTILINE)


asked = list(dashboard(json.loads((ROOT / "monitoring/grafana/epro-relay.json").read_text())))
found = questions((ROOT / "docs/METRICS.md").read_text())
assert len(asked) > 50 and len(found) > 5, (len(asked), len(found))
rules = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(asked + found)]
print(json.dumps({"groups": [{"name": "asked", "rules": rules}]}))

"""The server, and what every job reports."""

import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

SERVER = os.environ["PARLEY_URL"]
# The same server as it may look one day: with values, and fields, that today's document does not name.
FUTURE = os.environ["PARLEY_FUTURE_URL"]
EMAIL = os.environ["PARLEY_EMAIL"]
PASSWORD = "correct horse battery"
NOWHERE = "00000000-0000-7000-8000-000000000000"


def tell(step: str, **facts: object) -> None:
    """Reports what a step has read out of the generated types, as one line of JSON."""
    print(json.dumps({"step": step, **facts}), flush=True)


def read_events(lines: Iterable[str]) -> Iterator[Any]:
    """The data of every server-sent event; the server sends each in one line."""
    for line in lines:
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))

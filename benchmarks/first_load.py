"""How many requests and seconds a load costs, against the simulator.

Run it: ``python benchmarks/first_load.py [--customers 2000] [--job-seconds 0.3]``. It prints, for a
first load and for the same load again, the requests per 1,000 records by kind and the records per
second of the whole process. Seconds depend on the machine; requests hardly do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from target_kustomer.simulator import Simulator


def stream(customers: int) -> bytes:
    """A Singer stream of so many different customers, a STATE behind each hundred."""
    properties = {
        "id": {"type": "integer"},
        "first_name": {"type": "string"},
        "last_name": {"type": "string"},
        "email": {"type": "string"},
        "phone": {"type": "string"},
        "age": {"type": "integer"},
        "signed_up_at": {"type": "string", "format": "date-time"},
    }
    messages: list[dict[str, object]] = [
        {
            "type": "SCHEMA",
            "stream": "customers",
            "schema": {"type": "object", "properties": properties},
            "key_properties": ["id"],
        }
    ]
    for number in range(customers):
        record = {
            "id": number,
            "first_name": "Example",
            "last_name": f"Person {number}",
            "email": f"person{number}@example.com",
            "phone": f"+1202{5550000 + number}",
            "age": number % 90,
            "signed_up_at": "2024-01-01T00:00:00Z",
        }
        messages.append({"type": "RECORD", "stream": "customers", "record": record})
        if number % 100 == 99:  # noqa: PLR2004
            messages.append({"type": "STATE", "value": {"at": number}})
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def load(simulator: Simulator, lines: bytes, customers: int, name: str) -> None:
    """Run the target once in a process of its own, and print what it cost."""
    before = simulator.requests.counts()
    env = {
        **os.environ,
        "TARGET_KUSTOMER_API_URL": simulator.url,
        "TARGET_KUSTOMER_API_KEY": simulator.api_key,
        "TARGET_KUSTOMER_RATE_LIMIT_SHARE": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "target_kustomer", "--config=ENV"],
            input=lines,
            capture_output=True,
            check=False,
            env=env,
            cwd=folder,
        )
        seconds = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(done.stderr.decode())
    kinds = {
        kind: count - before.get(kind, 0)
        for kind, count in simulator.requests.counts().items()
        if count > before.get(kind, 0)
    }
    total = sum(kinds.values())
    print(
        f"{name}: {total} requests, {1000 * total / customers:.1f} per 1,000 records; "
        f"{seconds:.1f} s, {customers / seconds:.0f} records a second; "
        + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    )


def main() -> None:
    """Load new customers, then the same ones again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--job-seconds", type=float, default=0.3)
    options = parser.parse_args()
    lines = stream(options.customers)
    with Simulator(job_seconds=options.job_seconds, rate_limit=1_000_000) as simulator:
        load(simulator, lines, options.customers, "new")
        load(simulator, lines, options.customers, "again")


if __name__ == "__main__":
    main()

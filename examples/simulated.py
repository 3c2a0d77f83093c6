"""Loads a record into a Kustomer simulated in this process, and shows what it holds then."""

from __future__ import annotations

import os
import subprocess
import sys

from target_kustomer.simulator import Simulator

STREAM = """\
{"type": "SCHEMA", "stream": "customers", "key_properties": ["id"], "schema": \
{"properties": {"id": {"type": "string"}, "email": {"type": "string"}, "age": {"type": "integer"}}}}
{"type": "RECORD", "stream": "customers", "record": \
{"id": "1", "email": "ada@example.com", "age": 36}}
"""

with Simulator() as kustomer:
    subprocess.run(
        [sys.executable, "-m", "target_kustomer", "--config=ENV"],
        env={
            **os.environ,
            "TARGET_KUSTOMER_API_URL": kustomer.url,
            "TARGET_KUSTOMER_API_KEY": kustomer.api_key,
        },
        input=STREAM,
        text=True,
        check=True,
    )
    for customer in kustomer.org.customers:
        print(customer.attributes["externalId"], customer.attributes["custom"])

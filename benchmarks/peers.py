"""The recipe of other connectors: look each record up, then create or update it, by itself.

`peers.py URL API_KEY WORKERS < STREAM` looks for the e-mail address, then for the external id
(RudderStack's order), updates what it finds and creates the rest, so many records at once. When
the org's budget is spent, it waits for the reset.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from loads import in_kustomer

if TYPE_CHECKING:
    from collections.abc import Iterable


class Peer:
    """Writes one record after the other.

    Args:
        url: Of Kustomer.
        api_key: Its key.
        workers: Records at once.
    """

    def __init__(self, url: str, api_key: str, workers: int) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._client = httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=30)
        self._workers = workers

    def load(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write all rows."""
        with ThreadPoolExecutor(self._workers) as pool:
            for done in [pool.submit(self._write, row) for row in rows]:
                done.result()

    def _write(self, row: dict[str, Any]) -> None:
        attributes = in_kustomer(row)
        keys = ("email", row["email"]), ("externalId", attributes["externalId"])
        for kind, value in keys:
            answer = self._ask("GET", f"/customers/{kind}={quote(value, safe='')}")
            if answer.status_code == HTTPStatus.OK:
                found = answer.json()["data"]["id"]
                self._ask("PUT", f"/customers/{found}", json=attributes)
                return
        self._ask("POST", "/customers", json=attributes)

    def _ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        while True:
            answer = self._client.request(method, path, **body)
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                break
            time.sleep(max(0.0, float(answer.headers["x-ratelimit-reset"]) - time.time()))
        if answer.status_code != HTTPStatus.NOT_FOUND:
            answer.raise_for_status()
        return answer


def main() -> None:
    """Load the stream on stdin."""
    url, api_key, workers = sys.argv[1:]
    messages = map(json.loads, sys.stdin)
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    Peer(url, api_key, int(workers)).load(rows)


if __name__ == "__main__":
    main()

"""The world of one simulator: the org and all that stands between it and its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_kustomer.simulator.bodies import Schemas
from target_kustomer.simulator.faults import Faults
from target_kustomer.simulator.org import Org
from target_kustomer.simulator.ratelimits import Window, Windows
from target_kustomer.simulator.requestlog import RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_kustomer.simulator.switches import Switches


class World:
    """What a server serves; `reset` replaces all of it.

    Attributes:
        switches: Which reading of the facts holds.
        clock: Returns epoch seconds.
        org: What Kustomer holds.
        budget: The org's rate limit.
        searches: The rate limit of searches, for each user.
        schemas: What bodies must be like.
        faults: What is scripted to go wrong.
        log: The requests so far.
    """

    def __init__(self, switches: Switches, clock: Callable[[], float], api_key: str) -> None:
        self.clock = clock
        self.api_key = api_key
        self.reset(switches)

    def reset(self, switches: Switches) -> None:
        """Starts anew: an empty org with the one key, no faults, no requests."""
        seconds = switches.rate_window_seconds
        self.switches = switches
        self.org = Org(switches, self.clock)
        self.org.add_key(self.api_key)
        self.budget = Window(switches.rate_limit, seconds, self.clock)
        self.searches = Windows(switches.search_limit, seconds, self.clock)
        self.schemas = Schemas(phones_must_be_e164=switches.phones_must_be_e164)
        self.faults = Faults()
        self.log = RequestLog()

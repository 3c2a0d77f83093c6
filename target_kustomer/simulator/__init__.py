"""A Kustomer on this machine: real HTTP on a local port, strict, scriptable, readable.

It shares no code with the target: one misreading of the API must not hide the other.
"""

from __future__ import annotations

from target_kustomer.simulator.errors import ItemError
from target_kustomer.simulator.faults import Fault
from target_kustomer.simulator.server import Simulator
from target_kustomer.simulator.switches import Switches

__all__ = ["Fault", "ItemError", "Simulator", "Switches"]

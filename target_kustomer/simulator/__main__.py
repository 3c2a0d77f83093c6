"""Runs the command line: `python -m target_kustomer.simulator`."""

from __future__ import annotations

from target_kustomer.simulator.cli import main

if __name__ == "__main__":
    main(prog_name="kustomer-simulator")

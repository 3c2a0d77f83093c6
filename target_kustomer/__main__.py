"""Run the target: ``python -m target_kustomer``."""

from __future__ import annotations

from target_kustomer.target import TargetKustomer

TargetKustomer.cli()

"""What a record becomes in Kustomer: pure, without I/O, clock or logging."""

from __future__ import annotations

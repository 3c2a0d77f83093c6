"""The target in a time that passes faster, as a program: a minute is over in three seconds."""

from __future__ import annotations

from tests.guarantees.fasttime import FastTime

SPEED = 20

hurried_time = FastTime(SPEED, since=0)
"""The same in all processes."""

if __name__ == "__main__":
    hurried_time.target().cli()

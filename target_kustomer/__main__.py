"""Run the target: ``target-kustomer``, or ``python -m target_kustomer``."""

from __future__ import annotations

import signal

from target_kustomer.memory import share_heaps, spare_what_stays


def main() -> None:
    """Run the command line in a process of its own, whose memory and signals it may settle.

    SIGINT ends the process at once until a run takes it over.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from target_kustomer.target import TargetKustomer  # noqa: PLC0415  it may take a second

    share_heaps()
    spare_what_stays()
    TargetKustomer.cli()


if __name__ == "__main__":
    main()

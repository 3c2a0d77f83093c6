"""Run the target: ``target-kustomer``, or ``python -m target_kustomer``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line; SIGINT ends the process at once until a run takes it over."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from target_kustomer.target import TargetKustomer  # noqa: PLC0415  it may take a second

    TargetKustomer.cli()


if __name__ == "__main__":
    main()

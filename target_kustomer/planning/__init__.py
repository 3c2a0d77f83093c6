"""Says what a run would do: the very same run, on a Kustomer whose writes are not sent."""

"""What this target knows that Kustomer holds, across runs (a database of the user's)."""

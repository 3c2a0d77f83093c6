"""The client of the Kustomer API; the only room that knows HTTP."""

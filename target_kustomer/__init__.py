"""Singer target that loads companies and customers into Kustomer."""

"""Staff accounts: sign-in, second factor, staff sessions and recorded account changes."""

"""Staff: how they sign in and stay signed in, and what is recorded of their accounts."""

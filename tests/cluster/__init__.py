"""A whole deployment on this machine, each part a host in a network namespace of its own."""

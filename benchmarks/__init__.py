"""Benchmarks. `make bench` compares the product with a baseline program that does the same work.

`record` answers each case with the product and records the SQL statements.
`bare` is the baseline: it replays them with a database driver only. `load` sends
requests from its own process. `__main__` measures both in turns and prints the
table. `slow` measures with slow clients.
"""

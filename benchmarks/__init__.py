"""What the product costs, beside a bare program that does the same work: `make bench`.

`record` has the product answer each case in its own process and writes down the
statements it sent. `bare` replays them with nothing but a driver. `load` asks
both for as long as it is told, in a process of its own. `__main__` starts it all,
takes turns, and prints the table; `slow` does the same with slow clients.
"""

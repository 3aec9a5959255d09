"""Which processes run on which hosts, and whether they fit together."""

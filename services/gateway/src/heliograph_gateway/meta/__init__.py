"""What needs no token: the front page, the pages that explain problems, and the probes."""

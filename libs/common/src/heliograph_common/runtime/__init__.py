"""One life for every service: start in order, answer probes, drain on SIGTERM, exit with a code that tells the truth."""

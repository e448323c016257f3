"""Many thumbnailers for the price of few: the modules are imported once and the workers forked from that."""

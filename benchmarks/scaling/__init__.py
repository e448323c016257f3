"""A discrete-event simulation of workers that are scaled by their backlog, by the law of the operator and by models of others."""

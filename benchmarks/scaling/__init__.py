"""A discrete-event simulation of workers, scaled by the operator's law and by models of other autoscalers."""

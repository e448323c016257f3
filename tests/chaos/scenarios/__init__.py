"""One module a fault test of the reliability design; each has ``run(world, quick=…)`` and says how its stack is set."""

"""``python -m heliograph_local up`` is ``heliograph dev up``; ``up --detach`` starts itself this way."""

from heliograph_local.cli import dev

dev(prog_name="heliograph dev")

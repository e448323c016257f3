"""What asking costs: the budgets of a day, and the ledger of calls."""

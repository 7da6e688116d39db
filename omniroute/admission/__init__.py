"""Who may do what now: keys, filters, policies, limits, budgets; pure decisions."""

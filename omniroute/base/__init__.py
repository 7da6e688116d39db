"""What every layer may use: clock, tasks, secrets, units, logging; knows nothing of gateways."""

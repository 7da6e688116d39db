"""What lives as long as the process: pools, stores, counters, webhooks, tasks."""

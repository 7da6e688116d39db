"""Which target and connection comes next: resolution, plans, breakers; pure decisions."""

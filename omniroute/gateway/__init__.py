"""One request's life: understood, reserved, attempted, delivered, settled."""

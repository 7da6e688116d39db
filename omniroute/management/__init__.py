"""Read models and changes behind the management API: between the gateway and HTTP."""

"""Any format to any format through the hub, driven by tables; pure."""

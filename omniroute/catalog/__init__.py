"""What ships about providers and models: presets, prices, capabilities; pure data access."""

"""The HTTP surface: the edge, the paths for models, the management paths, and their table."""

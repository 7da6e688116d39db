"""The management paths, a module for each resource, named as its path."""

"""JMESPath compiled to Python; pure."""

"""One builder per section of the file: a View in, the model's frozen value out."""

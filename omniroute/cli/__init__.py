"""The omniroute command: parse arguments, call the layers below, choose the exit code."""

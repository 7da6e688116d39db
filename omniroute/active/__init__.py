"""The configuration in force: loaded, compiled, watched and swapped; and how it is shown."""

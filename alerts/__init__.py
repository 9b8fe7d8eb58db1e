"""Judge and respond: pure where it can be."""

"""`monitor demo`: the whole loop on this machine, with no account and nothing outside it."""

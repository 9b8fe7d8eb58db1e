"""Where the addresses of a name come from: the host's files and DNS, or the host's own library."""

"""What the benchmarks share: the real daemon and its peers as child processes, what the kernel counts, and tables."""

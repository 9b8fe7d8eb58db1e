"""The program: wires the rooms together; owns time, disk and network edges."""

__version__ = "0.1.0"

"""The HTTP transport, socket and clock work, the schedule and the worker processes."""

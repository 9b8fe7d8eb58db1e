"""TLS grades: `scan` fills `facts`, `grade` rates them. `scan` runs in a child process (`child`, `workers`)."""

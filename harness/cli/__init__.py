"""Commands: each parses its arguments, calls one function, and leaves the exit status to `main`."""

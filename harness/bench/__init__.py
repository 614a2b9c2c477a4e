"""The speed of this machine: a training step and its parts against the ceiling and against the usual way."""

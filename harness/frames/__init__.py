"""Frames of a corpus on the device: normalised, kept there or passed through, and gathered into windows."""

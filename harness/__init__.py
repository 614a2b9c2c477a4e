"""Comparing frame classifiers in speech: one experiment file in, one honest comparison out."""

__version__ = "0.1.0"

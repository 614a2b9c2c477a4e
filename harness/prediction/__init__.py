"""Trained models put to use: labels for corpora and sound, and files that other programs run."""

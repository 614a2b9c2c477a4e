"""Measures, intervals and evidence, from counts and frames alone. Knows nothing of studies."""

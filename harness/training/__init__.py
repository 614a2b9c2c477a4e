"""The training of one run, or of several at once: from settings, a seed and frames to a result and a saved model."""

"""The default corpus: speech by espeak-ng with exact phoneme times, made on first use."""

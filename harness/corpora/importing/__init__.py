"""Recordings and their alignments brought into the HW1P2 layout: TIMIT, LibriSpeech, a folder of one's own."""

"""Labelled utterances from whatever form they have to one, the frame store: reading, checking, importing, making them."""

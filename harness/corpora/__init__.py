"""Labelled utterances: corpora read, checked, imported and made, in whatever form, as parts of a frame store."""

"""Studies from end to end: searches, finals, records, and the folder in which a study works."""

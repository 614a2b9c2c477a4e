"""Numbers of a comparison: from the records of a study to everything that a report says. No torch."""

"""Who trains: requests go to an engine, events come back."""

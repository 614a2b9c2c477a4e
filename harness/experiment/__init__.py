"""The experiment file: read, checked with the place of every mistake, and resolved into arms, search and claims."""

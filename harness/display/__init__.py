"""What people see in a terminal: blocks of a document, words for numbers, progress."""

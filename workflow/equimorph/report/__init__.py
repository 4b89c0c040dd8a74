"""The report of a study: its words, its tables and its figures."""

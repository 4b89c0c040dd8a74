"""What a study is: its config, read, checked and resolved, without torch."""

"""The equimorph command."""

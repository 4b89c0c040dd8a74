"""Architectures, their widths, their counts and their files."""

"""Benchmarks against a real server process; each gives rows of plain numbers."""

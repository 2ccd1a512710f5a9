"""Benchmarks of a real server process, and of the engine alone beside its peers.

They give rows of plain numbers; the commands print them.
"""

"""Samples of the points of a stream, projected to a plane or a space, for who looks.

Nothing here is part of the deterministic model: what is sampled depends on when it is
asked for, and nobody but a reader is told of it. It does no I/O and reads no clock.
"""

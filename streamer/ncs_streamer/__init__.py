"""The NeuroCluster Streamer server: points in over WebSocket or REST, events out."""

__version__ = "0.1.0"

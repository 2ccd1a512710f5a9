"""The store that many nodes can share, in Redis 7 or newer, or Valkey.

Nothing is imported here: redis-py takes a while, and only who uses it should wait.
"""

"""Servers, and what they need, as child processes: for demo, benchmarks and tests."""

from .local_cluster import LocalCluster
from .redis import RedisProcess
from .server import ServerProcess, StartError

__all__ = ["LocalCluster", "RedisProcess", "ServerProcess", "StartError"]

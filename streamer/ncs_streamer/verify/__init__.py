"""`ncs verify`: load a server, break things around it, and reconcile every point."""

from .faults import KINDS
from .run import Plan, Report, verify

__all__ = ["KINDS", "Plan", "Report", "verify"]

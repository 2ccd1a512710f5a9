"""`ncs verify`: load a server, break things around it, and reconcile every point."""

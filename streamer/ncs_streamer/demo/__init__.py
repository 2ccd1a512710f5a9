"""Sources of data for the demo: this machine's telemetry and a simulated plant."""

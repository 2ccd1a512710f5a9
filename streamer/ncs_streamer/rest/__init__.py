"""The HTTP side-door: batch, status, credentials, health, documents."""

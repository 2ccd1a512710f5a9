"""The tables of the embedded store, and the version of their layout."""

from __future__ import annotations

__all__ = ["SCHEMA", "SCHEMA_VERSION"]

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE streams (
  id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, stream TEXT NOT NULL,
  tail INTEGER NOT NULL DEFAULT 0, UNIQUE (tenant, stream)
);
CREATE TABLE journal (
  stream INTEGER NOT NULL REFERENCES streams, offset INTEGER NOT NULL,
  payload BLOB NOT NULL, PRIMARY KEY (stream, offset)
) WITHOUT ROWID;
CREATE TABLE snapshots (
  stream INTEGER NOT NULL REFERENCES streams, offset INTEGER NOT NULL,
  payload BLOB NOT NULL, PRIMARY KEY (stream, offset)
) WITHOUT ROWID;
CREATE TABLE events (
  stream INTEGER NOT NULL REFERENCES streams, offset INTEGER NOT NULL,
  payload BLOB NOT NULL, PRIMARY KEY (stream, offset)
) WITHOUT ROWID;
CREATE TABLE checks (id INTEGER PRIMARY KEY, filler BLOB NOT NULL);
CREATE TABLE users (
  name TEXT PRIMARY KEY, tenant TEXT NOT NULL, role TEXT NOT NULL,
  password_hash TEXT NOT NULL, email TEXT NOT NULL, is_active INTEGER NOT NULL,
  created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE api_keys (
  key_hash TEXT PRIMARY KEY, key_id TEXT NOT NULL UNIQUE, prefix TEXT NOT NULL,
  name TEXT NOT NULL, tenant TEXT NOT NULL, permissions TEXT NOT NULL,
  is_active INTEGER NOT NULL, created_at REAL NOT NULL, expires_at REAL
) WITHOUT ROWID;
"""

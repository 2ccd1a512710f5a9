"""The tables of the embedded store, and the version of their layout."""

from __future__ import annotations

__all__ = ["SCHEMA", "SCHEMA_VERSION", "TRIGGERS"]

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

TRIGGERS = """
CREATE TEMP TRIGGER move_tail BEFORE INSERT ON main.journal BEGIN
  UPDATE streams SET tail=new.offset WHERE id=new.stream AND tail=new.offset-1;
  SELECT RAISE(ABORT, 'an offset does not follow the tail') WHERE changes() = 0;
END;
"""
"""Of the connection that writes: an append and what goes with it are one statement."""

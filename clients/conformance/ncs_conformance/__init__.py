"""One conformance suite for every SDK: see clients/conformance/README.md."""

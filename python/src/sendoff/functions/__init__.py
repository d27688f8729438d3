"""What durable functions are kept in: journals, in the format that all SDKs have (docs/protocol.md)."""

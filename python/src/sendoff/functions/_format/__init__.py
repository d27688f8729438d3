"""What goes over the wire and is kept: messages, values, journals (docs/protocol.md)."""

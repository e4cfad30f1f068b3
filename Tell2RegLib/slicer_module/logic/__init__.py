"""What the module can do, nodes in, nodes out; no widget. The parameter node keeps every choice."""

"""The module's logic: nodes in, nodes out, without widgets. The parameter node stores every choice."""

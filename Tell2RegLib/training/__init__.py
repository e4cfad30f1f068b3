"""How the demo weights were made: data, losses and loops (`python -m Tell2RegLib.training`). Nothing else uses it."""

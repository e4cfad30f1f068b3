"""The networks that find regions by prompts, their weights and their inference: numpy arrays in and out."""

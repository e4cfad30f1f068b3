"""The networks that find regions by words, their weights, and how they are run: numpy arrays in, numpy arrays out."""

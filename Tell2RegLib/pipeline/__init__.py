"""The steps of a registration: find regions, pair them, measure what the fit did, with caching and progress."""

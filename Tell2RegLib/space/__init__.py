"""Where things are: grids, volumes, regions, displacement fields, transforms, points, and their files."""

"""Many photos: what cuts them out, here or on a cluster, and the folders that they come from."""

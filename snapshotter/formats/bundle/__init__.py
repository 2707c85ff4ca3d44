"""Read and write the files of a bundle, and the objects that a store keeps beside it."""

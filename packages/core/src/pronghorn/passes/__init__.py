"""Passes: graph -> graph (simplify, fuse) and the memory plan of a graph. Each is near linear in the number of
nodes."""

"""A live page over a landscape: every model of the family, on one's own images, while a point is dragged."""

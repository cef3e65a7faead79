"""The page in a browser on which one moves through the models of a landscape, and the server behind it."""

"""Images: where they come from, how their files are read, how they are cut into batches."""

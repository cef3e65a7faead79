"""Images to small files and back, by a trained model: the size is the model's rate, or without loss its -ELBO."""

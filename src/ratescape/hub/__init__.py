"""Models and landscapes in repositories of the Hugging Face hub, or in folders of the same form."""

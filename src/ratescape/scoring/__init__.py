"""How anomalous is an item? Scores of every item by itself, what they are compared with, and how well they tell."""

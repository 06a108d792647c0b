"""Finding the head that explains a photo: the evidence, what disagreement costs, what is solved for, and the result."""

"""What a photo shows beyond the prior: a residual over the skin's albedo, and how it is made and spread."""

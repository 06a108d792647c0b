"""The research stack: networks whose weights are non-commercial and come from the user. Nothing here is imported unless asked for."""

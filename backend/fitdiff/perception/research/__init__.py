"""The research stack: networks whose weights are non-commercial and come from the user.

Nothing here is imported unless the stack is asked for; what is missing is said in a sentence.
"""

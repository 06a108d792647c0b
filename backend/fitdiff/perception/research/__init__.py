"""The research stack: networks whose weights are non-commercial and come from the user.

Imported only when this stack is chosen; a missing file or package raises a FitDiffError.
"""

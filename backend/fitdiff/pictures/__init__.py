"""Pictures that FitDiff draws by itself: relit heads, turntables, sheets of a face model, covered photos."""

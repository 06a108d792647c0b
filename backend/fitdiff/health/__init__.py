"""What `fitdiff doctor` looks at: this machine, the packages, the files that come with FitDiff, and whether it all works."""

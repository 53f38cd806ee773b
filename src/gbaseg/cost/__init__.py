"""What a run will take: the work of each stage counted from the parameters, and the speed at which machines did it."""

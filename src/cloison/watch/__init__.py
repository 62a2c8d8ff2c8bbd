"""What `cloison watch` does all the time: when to prove which project, what to tell, and what to measure."""

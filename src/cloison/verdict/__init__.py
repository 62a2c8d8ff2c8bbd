"""Which flows are asked, what is intended of them, and the judgement of each."""

"""Which texts to label next: text vectors, a learner that takes no time, strategies, and what they suggest in words."""

"""The Discord side: commands, cards, and the follower that keeps cards current."""

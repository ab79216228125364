"""The quiz, and the texts that people liked best."""

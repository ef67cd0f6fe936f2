"""Rules that turn the chain rule into textbook form; each application is a recorded, checked step."""

"""The mask decoder: exact, and in low rank for many prompts at once."""

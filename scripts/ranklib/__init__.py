"""What scripts/ranks.py is made of."""

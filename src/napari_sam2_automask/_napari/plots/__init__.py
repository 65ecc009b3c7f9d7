"""Measures as plots under the result: a histogram whose lines filter, a scatter plot whose lasso selects."""

"""The table of the result's objects, under the result: a row is an object, and an object a row."""

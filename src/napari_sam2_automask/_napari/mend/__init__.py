"""Mend mode: tools with which a person puts a result right by clicks in the viewer."""

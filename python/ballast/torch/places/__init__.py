"""Modules that packages import only to look at: each says why it is there.

What would change a result, were it silently nothing, raises an error that names it instead.
"""

"""Kinds of steps, a file for each: what it computes, from what, its version, its flags, and what its data hold.

Planning imports them all, so that what is heavy is imported inside of what computes.
"""

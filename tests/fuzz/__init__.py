"""Anything where a record or a request is read: what it says about it, and that nothing is run or grows."""

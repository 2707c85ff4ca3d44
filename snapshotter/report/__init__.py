"""
Pages, pictures and documents for people, made of values that others worked out. No network.

What stands in them was decided elsewhere: nothing here judges.
"""

"""
Find captures by words and filters, and objects by parts of their ids, in the index of a store.

`index_service` and `index_upkeep` keep the index up to date, and compare it with the store.
"""

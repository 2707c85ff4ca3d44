"""
Read and check public keys and signatures, name keys that others hold, and encrypt for recipients.
"""

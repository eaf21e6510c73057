"""The table "Bad input, and what it gets" of the security notes, row by row, through the real command line.

One module a row, one case an input. Each case says the exit code, and what the message has to name.
"""

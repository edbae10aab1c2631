"""Where this project's programs meet the world: what they print, the streams they print on, the
addresses and files they are given.

Whatever comes from outside is escaped here, when it leaves, by one function for each way out. Nothing else of the
project is known here.
"""

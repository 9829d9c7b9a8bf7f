"""The ledger: one row a call, from the worker's journal to the database and its reports.

Workers append to a journal (``recorder``); one process on the machine owns the database and drains every worker's
segments into it (``journal_drain``, ``writer``); anyone may read (``reader``, ``report``, ``verify``).
"""

"""Instruction counts of single operations under callgrind: exact enough to gate a change of some per cent."""

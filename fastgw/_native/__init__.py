"""The native floor: compiled code of one concern a module, with no import of the floors above.

There is no Python twin: an import error here means that the extensions were not built (`make build`), or that the installed
wheel is for another platform.
"""

"""The last members of a JSON object, read from its end: where answers have their usage, behind a text of any length."""

from fastgw._native.json_scan import MemberSpans, MemberTable

def scan_tail(body: bytes, table: MemberTable) -> MemberSpans | None:
    """Of a well-formed object without escapes in its names: what ``json_scan.scan_object`` finds, or None.

    Found are the members from the last one with the table's first name on. None when there is none, when it is not a member of
    the outermost object, or when another name of the table stands before it. What stands before it is not looked at otherwise:
    it may be no JSON. Only ``kind``, ``span``, ``raw``, ``text`` and ``integer`` of the result mean something.
    """

from fastgw._native.json_scan cimport MemberSpans, MemberTable, scan_object, splice

cdef MemberTable _TABLE
cdef MemberTable _OPTIONS_TABLE
cdef unsigned long long _STREAM_BIT
cdef unsigned long long _SERVICE_TIER_BIT
cdef unsigned long long _CAP_BITS
cdef unsigned long long _CHOICES_BIT
cdef dict _OUTPUT_CAPS
cdef frozenset _STREAMS_USAGE_ON_REQUEST
cdef frozenset _NEVER_STREAMS

cdef class RequestFacts:
    cdef MemberSpans _spans
    cdef readonly str alias
    cdef readonly bytes body
    cdef readonly long long choices
    cdef readonly long long output_cap_tokens
    cdef readonly str service_tier
    cdef readonly bint streaming
    cdef readonly long long text_bytes
    cdef readonly bint wants_usage
    cpdef bytes upstream_body(
        self, str model, bytes model_json, str operation=*, long long cap_tokens=*, bytes cap_member=*
    )
    cdef list _cap_edits(self, str operation, bytes cap, bytes member)
    cdef int _options_kind(self) except -1
    cdef MemberSpans _options(self)
    cdef tuple _usage_edit(self)

cdef bint _streaming(str operation, MemberSpans spans) except -1
cdef object _output_cap(str operation, MemberSpans spans)
cdef object _choices(MemberSpans spans)

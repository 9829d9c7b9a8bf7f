from fastgw._native.exchange cimport Exchange
from fastgw._native.header_pick cimport HeaderPick, visible_text
from fastgw.domain.subject cimport Subject
from fastgw.gateway.admission cimport Admission, refused_entry
from fastgw.gateway.context cimport Call
from fastgw.gateway cimport settle
from fastgw.gateway.snapshot cimport Snapshot
from fastgw._native.clock cimport wall_ns
from fastgw.telemetry.clock cimport RequestIds

cdef HeaderPick _HEADERS

cdef class Pipeline:
    cdef object _count
    cdef object _counters
    cdef RequestIds _ids
    cdef object _recorder
    cdef object _responder
    cdef public Snapshot snapshot
    cdef Subject _identify(self, Call call, tuple picked)

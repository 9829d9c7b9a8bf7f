from fastgw._native.http_head cimport RequestHead
from fastgw._native.http_write cimport write_request, header_line
from fastgw._native.provider_conn cimport ProviderConn
from fastgw.gateway.admission cimport Admission
from fastgw.gateway.context cimport Call
from fastgw.gateway.snapshot cimport Route, AccountRoute
from fastgw._native.clock cimport monotonic_ns

cdef ProviderConn _send_pooled(Call call, Admission admission)
cdef object _send_fresh(Call call, Admission admission)
cdef ProviderConn _headed(Call call, ProviderConn answer)
cpdef bytes request_bytes(RequestHead head, str request_id, Route route, bytes body)

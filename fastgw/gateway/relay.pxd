from fastgw._native.exchange cimport Exchange
from fastgw._native.http_head cimport ResponseHead
from fastgw._native.http_write cimport write_response, HeaderFilter
from fastgw._native.ledger_record cimport LedgerRecord
from fastgw._native.provider_conn cimport ProviderConn
from fastgw.gateway cimport settle
from fastgw.gateway.admission cimport Admission
from fastgw.gateway.context cimport Call
from fastgw.gateway.snapshot cimport Route
from fastgw._native.clock cimport monotonic_ns

cpdef bint relay_at_once(Call call, Admission admission, ProviderConn answer, object recorder) except -1
cpdef bint is_event_stream(ResponseHead head) except -1
cdef object _settle_whole(Call call, Route route, ResponseHead head, bytes body, object recorder)
cdef object _reply(Call call, Route route, ResponseHead head, bytes body)
cdef object _start(Call call, Route route, ResponseHead head, long long length)
cdef long long _cost_nano_usd(Call call) except? -77
cdef bytes _own_lines(Call call, Route route, long long cost_nano_usd)
from fastgw._native.answer_lines cimport answer_lines
from fastgw.gateway.metering cimport StreamMeter, fill_row
cdef bint _pass_on(Call call, StreamMeter meter, ProviderConn answer, bytes chunk, list held) except -1

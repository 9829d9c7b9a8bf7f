# The lane: one request as one coroutine, resumed directly by the IO callback that has what it waits for.
#
# No asyncio.Task and no hop through the event loop: measured, 23-24 us a proxied request against 30-38 with a Task and a Future.
# A coroutine in a lane awaits `Wait` objects (native, one sleeper each) or ordinary asyncio futures. It must not ask for the
# current task (asyncio.timeout, most clients): such code runs in a task of its own, and the lane awaits the task.
cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

cdef extern from "Python.h":
    ctypedef enum PySendResult:
        PYGEN_RETURN
        PYGEN_ERROR
        PYGEN_NEXT
    PySendResult PyIter_Send(object coroutine, object value, PyObject** result) except PYGEN_ERROR


@cython.final
@cython.freelist(128)
cdef class Wait:
    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        cdef object value, error
        if not self._ready:
            return self
        self._ready = False
        error = self._error
        if error is not None:
            self._error = None
            raise error
        value = self._value
        if value is None:
            raise StopIteration      # compiled to a bare return: no exception is made
        self._value = None
        raise StopIteration(value)

    cdef bint sleeping(self) noexcept:
        return self._sleeper is not None

    cdef object wake(self, value):
        cdef Lane lane = self._sleeper
        self._value = value
        self._ready = True
        if lane is not None:
            self._sleeper = None
            lane._wait = None
            lane._step(None)

    cdef object wake_error(self, error):
        self._error = error
        self.wake(None)

    cdef Wait reset(self):
        self._ready = False
        self._value = None
        self._error = None
        return self

    def resolve(self, value):
        self.wake(value)

    def reject(self, error):
        self.wake_error(error)


@cython.final
@cython.freelist(128)
cdef class Lane:
    def __cinit__(self, on_crash):
        self._on_crash = on_crash

    def start(self, coroutine):
        if self._coroutine is not None or self.done:
            raise RuntimeError("a lane runs one coroutine")
        self._coroutine = coroutine
        self._step(None)

    cdef object _step(self, object error):
        cdef object waited, on_crash
        cdef PyObject* sent = NULL
        self._running = True
        try:
            while True:
                if error is None:
                    if PyIter_Send(self._coroutine, None, &sent) == PYGEN_RETURN:
                        Py_DECREF(<object>sent)
                        self._end()
                        return
                    waited = <object>sent
                    Py_DECREF(waited)
                else:
                    waited = self._coroutine.throw(error)
                error = None
                if type(waited) is Wait:
                    if self._cancelled is None:
                        if (<Wait>waited)._sleeper is not None:
                            error = RuntimeError("a second sleeper on one wait")
                            continue
                        (<Wait>waited)._sleeper = self
                        self._wait = <Wait>waited
                elif waited is not None and getattr(waited, "_asyncio_future_blocking", None) is not None:
                    waited._asyncio_future_blocking = False
                    if self._cancelled is None:
                        self._future = waited
                        waited.add_done_callback(self._future_done)
                else:
                    error = TypeError(f"a lane awaits native waits and asyncio futures, got {type(waited).__name__}")
                    continue
                if self._cancelled is None:
                    return
                error = self._cancelled
                self._cancelled = None
        except StopIteration:
            self._end()
        except BaseException as crash:  # the coroutine's boundary: whoever made the lane decides what a crash means
            on_crash = self._on_crash
            self._end()
            on_crash(crash)
        finally:
            self._running = False

    cdef object _end(self):
        self.done = True
        self._coroutine = None
        self._future = None
        self._wait = None
        self._cancelled = None
        self._on_crash = None      # it leads back to whoever holds this lane: without this, each request would leave a cycle behind

    def _future_done(self, future):
        if self._future is future:
            self._future = None
            self._step(None)

    cpdef object cancel(self, error):
        cdef Wait wait = self._wait
        if self.done or self._coroutine is None:
            return
        if self._running:
            self._cancelled = error
            return
        if wait is not None:
            wait._sleeper = None
            self._wait = None
        elif self._future is not None:
            self._future.remove_done_callback(self._future_done)
            self._future = None
        self._step(error)

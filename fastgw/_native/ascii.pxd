# The byte classes of HTTP/1.1 and the case folding of its names, for every native module that reads or writes a head.
#
# Owns: one constant table. Invariant: a class is exactly the RFC 9110 / RFC 3986 set that its name says, as widened
# or narrowed in the comments here. Does nothing with Python objects; every function may run without the GIL.

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    /* A row is sixteen byte values. Bits: 1 token, 2 field value, 4 target, 8 host name, 16 hexadecimal digit. */
    static const unsigned char FASTGW_BYTE_CLASS[256] = {
         0,  0,  0,  0,  0,  0,  0,  0,  0,  2,  0,  0,  0,  0,  0,  0, /* 0x00 */
         0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0, /* 0x10 */
         2,  7,  6,  3,  7,  7,  7,  7,  6,  6,  7,  7,  6, 15, 15,  6, /* 0x20 */
        31, 31, 31, 31, 31, 31, 31, 31, 31, 31,  6,  6,  6,  6,  6,  6, /* 0x30 */
         6, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 0x40 */
        15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  6,  6,  7, 15, /* 0x50 */
         7, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15, /* 0x60 */
        15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6, 15,  0, /* 0x70 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0x80 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0x90 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0xa0 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0xb0 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0xc0 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0xd0 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0xe0 */
         2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2,  2, /* 0xf0 */
    };
    """
    const unsigned char FASTGW_BYTE_CLASS[256]

cdef enum ByteClass:
    TOKEN_BYTE = 1      # tchar, RFC 9110 5.6.2
    VALUE_BYTE = 2      # HTAB, SP, VCHAR and obs-text (0x80-0xFF), RFC 9110 5.5
    TARGET_BYTE = 4     # every visible ASCII byte but '#': wider than RFC 3986, as clients send '|' and '"' unescaped
    HOST_BYTE = 8       # unreserved, RFC 3986 2.3: no sub-delims, which other parsers take for lists or credentials
    HEX_BYTE = 16

cdef enum:
    TAB = 0x09
    LF = 0x0A
    CR = 0x0D
    SPACE = 0x20
    QUOTE = 0x22
    COMMA = 0x2C
    COLON = 0x3A
    SEMICOLON = 0x3B
    EQUALS = 0x3D
    BACKSLASH = 0x5C


cdef inline bint is_in(unsigned char byte, int byte_class) noexcept nogil:
    return FASTGW_BYTE_CLASS[byte] & byte_class


cdef inline bint is_digit(unsigned char byte) noexcept nogil:
    return 0x30 <= byte <= 0x39


cdef inline bint is_blank(unsigned char byte) noexcept nogil:
    return byte == SPACE or byte == TAB


cdef inline unsigned char lower(unsigned char byte) noexcept nogil:
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


cdef inline int hex_value(unsigned char byte) noexcept nogil:
    # Only for bytes of HEX_BYTE.
    return byte - 0x30 if byte <= 0x39 else (byte | 0x20) - 0x57


cdef inline const unsigned char* skip(const unsigned char* at, const unsigned char* end, int byte_class) noexcept nogil:
    # The first byte outside the class, or end.
    while at < end and FASTGW_BYTE_CLASS[at[0]] & byte_class:
        at += 1
    return at


cdef inline const unsigned char* skip_blanks(const unsigned char* at, const unsigned char* end) noexcept nogil:
    while at < end and is_blank(at[0]):
        at += 1
    return at


cdef inline const unsigned char* skip_value(const unsigned char* at, const unsigned char* end) noexcept nogil:
    # skip(at, end, VALUE_BYTE), eight bytes a step while none of them is below 0x20 or DEL (the exact zero-byte
    # test of Mycroft).
    cdef uint64_t word, del_word
    while end - at >= 8:
        memcpy(&word, at, 8)
        del_word = word ^ <uint64_t>0x7F7F7F7F7F7F7F7F
        if ((word - <uint64_t>0x2020202020202020) & ~word | (del_word - <uint64_t>0x0101010101010101) & ~del_word) & (
            <uint64_t>0x8080808080808080
        ):
            break
        at += 8
    return skip(at, end, VALUE_BYTE)


cdef inline bint equals_lower(const unsigned char* text, const char* lower_text, Py_ssize_t size) noexcept nogil:
    # Whether text, its ASCII letters folded, is lower_text; both have size bytes.
    cdef Py_ssize_t i
    for i in range(size):
        if lower(text[i]) != <unsigned char>lower_text[i]:
            return False
    return True


cdef inline bint resembles(const unsigned char* name, const char* lower_name, Py_ssize_t size) noexcept nogil:
    # As equals_lower, but any token byte that is neither letter nor digit counts as '-'. Gateways behind CGI-like
    # interfaces fold names like that: "Content_Length" becomes "Content-Length" there.
    cdef Py_ssize_t i
    cdef unsigned char byte
    for i in range(size):
        byte = lower(name[i])
        if not (is_digit(byte) or 0x61 <= byte <= 0x7A):
            byte = 0x2D
        if byte != <unsigned char>lower_name[i]:
            return False
    return True

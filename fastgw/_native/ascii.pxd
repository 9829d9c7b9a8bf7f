# The byte classes of HTTP/1.1 and the case folding of its names, for every native module that reads or writes a head.
#
# Owns: one constant table. Invariant: a class is exactly the RFC 9110 / RFC 3986 set that its name says, as widened
# or narrowed in the comments here. Does nothing with Python objects; every function may run without the GIL.

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
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

    #if defined(__SSE2__) && !defined(FASTGW_NO_SSE2)
    #include <emmintrin.h>
    #endif
    /* The first byte that is no field value, if it is found before less than sixteen bytes are left; else some byte before it. */
    static inline const unsigned char *fastgw_past_values(const unsigned char *at, const unsigned char *end) {
    #if defined(__SSE2__) && !defined(FASTGW_NO_SSE2)
        const __m128i last = _mm_set1_epi8(0x1F), tab = _mm_set1_epi8(0x09), del = _mm_set1_epi8(0x7F);
        for (; end - at >= 16; at += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)at);
            __m128i control = _mm_andnot_si128(_mm_cmpeq_epi8(x, tab), _mm_cmpeq_epi8(_mm_min_epu8(x, last), x));
            int hit = _mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(x, del)));
            if (hit) return at + __builtin_ctz((unsigned)hit);
        }
    #endif
        return at;
    }

    static inline uint64_t fastgw_folded_word(const void *at) {
        uint64_t word;
        memcpy(&word, at, 8);
        return word | 0x2020202020202020;
    }
    /* Whether a token, its letters folded, is a lower-case one of the same size; `^` and `~` count as the same. */
    static inline int fastgw_same_token(const unsigned char *token, const char *lower_token, Py_ssize_t size) {
        Py_ssize_t i = 0;
        if (size < 8) {
            for (; i < size; i++)
                if ((token[i] | 0x20) != ((unsigned char)lower_token[i] | 0x20)) return 0;
            return 1;
        }
        for (; i + 8 < size; i += 8)
            if (fastgw_folded_word(token + i) != fastgw_folded_word(lower_token + i)) return 0;
        return fastgw_folded_word(token + size - 8) == fastgw_folded_word(lower_token + size - 8);
    }
    """
    const unsigned char FASTGW_BYTE_CLASS[256]
    bint same_token "fastgw_same_token"(const unsigned char* token, const char* lower_token, Py_ssize_t size) noexcept nogil
    const unsigned char* past_values "fastgw_past_values"(const unsigned char* at, const unsigned char* end) noexcept nogil

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
    # skip(at, end, VALUE_BYTE), in blocks as long as there is one.
    at = past_values(at, end)
    return at if at < end and not is_in(at[0], VALUE_BYTE) else skip(at, end, VALUE_BYTE)


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

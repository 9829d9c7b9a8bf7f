"""Searches in raw bytes that the text parsers share: SSE2 where the compiler has it, else eight bytes at a time."""

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__) && !defined(FASTGW_NO_SSE2)
    #include <emmintrin.h>
    #define FASTGW_SSE2 1
    #endif
    #define FASTGW_ONES (~(uint64_t)0 / 255)

    /* First byte of [p, end) that is a or b; end when there is none. */
    static inline const unsigned char *fgw_first_of2(
        const unsigned char *p, const unsigned char *end, unsigned char a, unsigned char b)
    {
    #ifdef FASTGW_SSE2
        const __m128i first = _mm_set1_epi8((char)a), second = _mm_set1_epi8((char)b);
        for (; end - p >= 16; p += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)p);
            int hit = _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, first), _mm_cmpeq_epi8(x, second)));
            if (hit) return p + __builtin_ctz((unsigned)hit);
        }
    #else
        for (; end - p >= 8; p += 8) {
            uint64_t x, q, r;
            memcpy(&x, p, 8);
            q = x ^ (FASTGW_ONES * a);
            r = x ^ (FASTGW_ONES * b);
            /* A borrow can mark too many bytes of a word, never a word without a hit. */
            if ((((q - FASTGW_ONES) & ~q) | ((r - FASTGW_ONES) & ~r)) & (FASTGW_ONES * 0x80)) break;
        }
    #endif
        while (p < end && *p != a && *p != b) p++;
        return p;
    }

    /* First byte of [p, end) that ends the plain part of a string: a quote, a backslash, a control character, non-ASCII. */
    static inline const unsigned char *fgw_first_special(const unsigned char *p, const unsigned char *end)
    {
    #ifdef FASTGW_SSE2
        const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\\\'), space = _mm_set1_epi8(0x20);
        for (; end - p >= 16; p += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)p);
            /* Signed: bytes from 0x80 are below the space as well. */
            __m128i low = _mm_cmplt_epi8(x, space);
            __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash));
            int hit = _mm_movemask_epi8(_mm_or_si128(low, mark));
            if (hit) return p + __builtin_ctz((unsigned)hit);
        }
    #else
        for (; end - p >= 8; p += 8) {
            uint64_t x, q, s;
            memcpy(&x, p, 8);
            q = x ^ (FASTGW_ONES * '"');
            s = x ^ (FASTGW_ONES * '\\\\');
            /* A borrow can mark too many bytes of a word, never a word without a hit. */
            if ((x | (x - FASTGW_ONES * 0x20) | (q - FASTGW_ONES) | (s - FASTGW_ONES)) & (FASTGW_ONES * 0x80)) break;
        }
    #endif
        while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\\\') p++;
        return p;
    }

    /* First occurrence of the needle (length >= 1) in [p, end), or NULL. Looks for its first and last byte side by side, which
       beats a general search on text of some hundred bytes. */
    static inline const unsigned char *fgw_find_needle(
        const unsigned char *p, const unsigned char *end, const unsigned char *needle, Py_ssize_t length)
    {
        const unsigned char *stop = end - length; /* last position where it fits */
        if (end - p < length) return NULL;
    #ifdef FASTGW_SSE2
        const __m128i first = _mm_set1_epi8((char)needle[0]), last = _mm_set1_epi8((char)needle[length - 1]);
        for (; stop - p >= 15; p += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)p);
            __m128i y = _mm_loadu_si128((const __m128i *)(p + length - 1));
            int hit = _mm_movemask_epi8(_mm_and_si128(_mm_cmpeq_epi8(x, first), _mm_cmpeq_epi8(y, last)));
            for (; hit; hit &= hit - 1) {
                const unsigned char *found = p + __builtin_ctz((unsigned)hit);
                if (memcmp(found, needle, (size_t)length) == 0) return found;
            }
        }
    #endif
        while (p <= stop) {
            p = (const unsigned char *)memchr(p, needle[0], (size_t)(stop - p + 1));
            if (!p || memcmp(p, needle, (size_t)length) == 0) return p;
            p++;
        }
        return NULL;
    }
    """
    const unsigned char *first_of2 "fgw_first_of2"(
        const unsigned char *p, const unsigned char *end, unsigned char a, unsigned char b) noexcept nogil
    const unsigned char *first_special "fgw_first_special"(
        const unsigned char *p, const unsigned char *end) noexcept nogil
    const unsigned char *find_needle "fgw_find_needle"(
        const unsigned char *p, const unsigned char *end, const unsigned char *needle, Py_ssize_t length) noexcept nogil

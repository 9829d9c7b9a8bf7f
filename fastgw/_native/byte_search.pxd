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

    /* First byte of [p, end) that is a quote, a backslash, a control character or not ASCII; end when there is none. */
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

    /* The letters of JSON's escapes, but for `u`. */
    static const unsigned char fgw_escape_letters[256] = {
        ['"'] = 1, ['\\\\'] = 1, ['/'] = 1, ['b'] = 1, ['f'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1,
    };

    /* What `first_special` finds, but past escapes of one letter, which set `escaped`: text has many of them. A block is
       looked at once, however many it has. */
    static inline const unsigned char *fgw_past_escapes(
        const unsigned char *p, const unsigned char *end, int *escaped)
    {
    #ifdef FASTGW_SSE2
        const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\\\'), space = _mm_set1_epi8(0x20);
        while (end - p >= 32) {
            __m128i x = _mm_loadu_si128((const __m128i *)p), y = _mm_loadu_si128((const __m128i *)(p + 16));
            __m128i s = _mm_cmpeq_epi8(x, slash), t = _mm_cmpeq_epi8(y, slash);
            __m128i a = _mm_or_si128(_mm_cmplt_epi8(x, space), _mm_cmpeq_epi8(x, quote));
            __m128i b = _mm_or_si128(_mm_cmplt_epi8(y, space), _mm_cmpeq_epi8(y, quote));
            uint32_t special = (uint32_t)_mm_movemask_epi8(_mm_or_si128(a, s))
                | (uint32_t)_mm_movemask_epi8(_mm_or_si128(b, t)) << 16;
            while (special) {
                int at = __builtin_ctz(special);
                if (at == 31 || p[at] != '\\\\' || !fgw_escape_letters[p[at + 1]]) return p + at;
                *escaped = 1;
                special &= ~((uint32_t)3 << at);
            }
            p += 32;
        }
    #endif
        return fgw_first_special(p, end);
    }

    /* First byte of [p, end) that is a quote, a bracket or a brace; end when there is none. */
    static inline const unsigned char *fgw_first_structural(const unsigned char *p, const unsigned char *end)
    {
    #ifdef FASTGW_SSE2
        const __m128i quote = _mm_set1_epi8('"'), bit = _mm_set1_epi8(0x20);
        const __m128i open = _mm_set1_epi8('{'), close = _mm_set1_epi8('}'); /* '[' and ']' with the bit set */
        for (; end - p >= 16; p += 16) {
            __m128i x = _mm_loadu_si128((const __m128i *)p), y = _mm_or_si128(x, bit);
            __m128i mark = _mm_or_si128(_mm_cmpeq_epi8(y, open), _mm_cmpeq_epi8(y, close));
            int hit = _mm_movemask_epi8(_mm_or_si128(mark, _mm_cmpeq_epi8(x, quote)));
            if (hit) return p + __builtin_ctz((unsigned)hit);
        }
    #endif
        while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}') p++;
        return p;
    }

    /* Runs on through well-formed UTF-8 from p, which begins a character, for as long as 64 bytes are left. Ends at
       the first byte that `first_special` stops at for another reason than not being ASCII, before a block that is all
       ASCII, or before one that has a fault, so that the caller's check of single characters finds it. Without SSE2 it
       returns p. */
    static inline const unsigned char *fgw_utf8_run(const unsigned char *p, const unsigned char *end)
    {
    #ifdef FASTGW_SSE2
    #define FASTGW_MASK(into, compare) do { int fgw_i; (into) = 0; for (fgw_i = 0; fgw_i < 4; fgw_i++) { \
            const __m128i x = block[fgw_i]; \
            (into) |= (uint64_t)(unsigned)_mm_movemask_epi8(compare) << (16 * fgw_i); } } while (0)
    #define FASTGW_BELOW(value) _mm_cmplt_epi8(x, _mm_set1_epi8((char)(value)))
    #define FASTGW_EQUAL(value) _mm_cmpeq_epi8(x, _mm_set1_epi8((char)(value)))
        while (end - p >= 64) {
            __m128i block[4];
            uint64_t high, stop, below_90, below_a0, below_c0, below_c2, below_e0, below_f0, below_f5;
            uint64_t lead, lead3, lead4, follow, fault, checked, e0, ed, f0, f4;
            int i, cut;
            for (i = 0; i < 4; i++) block[i] = _mm_loadu_si128((const __m128i *)(p + 16 * i));
            FASTGW_MASK(high, x);
            if (!high) return p;
            /* Signed comparison: "below v" holds for 0x80 to v - 1. ASCII bytes are above. */
            FASTGW_MASK(stop, _mm_or_si128(_mm_or_si128(FASTGW_EQUAL('"'), FASTGW_EQUAL('\\\\')), FASTGW_BELOW(0x20)));
            FASTGW_MASK(below_c0, FASTGW_BELOW(0xC0));
            FASTGW_MASK(below_c2, FASTGW_BELOW(0xC2));
            FASTGW_MASK(below_e0, FASTGW_BELOW(0xE0));
            FASTGW_MASK(below_f0, FASTGW_BELOW(0xF0));
            FASTGW_MASK(below_f5, FASTGW_BELOW(0xF5));
            stop &= ~high;
            lead = high & ~below_c0;
            lead3 = high & ~below_e0;
            lead4 = high & ~below_f0;
            /* Continuation bytes must be exactly those that the leading bytes ask for. */
            follow = lead << 1 | lead3 << 2 | lead4 << 3;
            fault = (follow ^ below_c0) | (below_c2 & ~below_c0) | (high & ~below_f5);
            FASTGW_MASK(e0, FASTGW_EQUAL(0xE0));
            FASTGW_MASK(ed, FASTGW_EQUAL(0xED));
            FASTGW_MASK(f0, FASTGW_EQUAL(0xF0));
            FASTGW_MASK(f4, FASTGW_EQUAL(0xF4));
            if (e0 | ed | f0 | f4) {
                FASTGW_MASK(below_90, FASTGW_BELOW(0x90));
                FASTGW_MASK(below_a0, FASTGW_BELOW(0xA0));
                fault |= (e0 << 1 & below_a0) | (ed << 1 & ~below_a0) | (f0 << 1 & below_90) | (f4 << 1 & ~below_90);
            }
            checked = stop ? stop ^ (stop - 1) : ~(uint64_t)0; /* up to the stop, inclusive */
            if (fault & checked) return p;
            if (stop) return p + __builtin_ctzll(stop);
            /* A character that is cut by the end of the block begins the next one. */
            cut = lead >> 63 ? 63 : lead3 >> 62 & 1 ? 62 : lead4 >> 61 & 1 ? 61 : 64;
            p += cut;
        }
    #undef FASTGW_MASK
    #undef FASTGW_BELOW
    #undef FASTGW_EQUAL
    #endif
        return p;
    }

    /* First occurrence of the needle (length >= 1) in [p, end), or NULL. Looks for its first and last byte side by
       side, which beats a general search on text of some hundred bytes. */
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
    const unsigned char *past_escapes "fgw_past_escapes"(
        const unsigned char *p, const unsigned char *end, int *escaped) noexcept nogil
    const unsigned char *ESCAPE_LETTERS "fgw_escape_letters"
    const unsigned char *find_needle "fgw_find_needle"(
        const unsigned char *p, const unsigned char *end, const unsigned char *needle, Py_ssize_t length) noexcept nogil
    const unsigned char *first_structural "fgw_first_structural"(
        const unsigned char *p, const unsigned char *end) noexcept nogil
    const unsigned char *utf8_run "fgw_utf8_run"(
        const unsigned char *p, const unsigned char *end) noexcept nogil

// The grammar of JSON's scalars, byte by byte: what the walk checks itself, because On-Demand looks
// only at what is asked for.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <system_error>

namespace cjson {

inline bool is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
inline bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
inline bool is_hex(uint8_t c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
// What may follow a scalar.
inline bool ends_scalar(uint8_t c) { return is_space(c) || c == ',' || c == ']' || c == '}'; }

// The end of the number that starts at `p`, or null. `plain` is false when it has a fraction or an
// exponent.
inline const uint8_t *scan_number(const uint8_t *p, const uint8_t *end, bool &plain) {
    plain = true;
    if (p < end && *p == '-') p++;
    if (p == end || !is_digit(*p)) return nullptr;
    if (*p++ != '0') {
        while (p < end && is_digit(*p)) p++;
    }
    if (p < end && *p == '.') {
        plain = false;
        if (++p == end || !is_digit(*p)) return nullptr;
        while (p < end && is_digit(*p)) p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        plain = false;
        if (++p < end && (*p == '+' || *p == '-')) p++;
        if (p == end || !is_digit(*p)) return nullptr;
        while (p < end && is_digit(*p)) p++;
    }
    return p;
}

// The end (past the closing quote) of the string whose opening quote is at `p`, or null with `p` at
// the fault.
inline const uint8_t *scan_string(const uint8_t *&p, const uint8_t *end) {
    const uint8_t *q = p + 1;
    while (q < end) {
        uint8_t c = *q;
        if (c == '"') return q + 1;
        if (c < 0x20) break;
        if (c != '\\') {
            q++;
            continue;
        }
        const uint8_t *escape = q++;
        if (q == end) break;
        switch (*q++) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': continue;
        case 'u': {
            int digits = 0;
            while (digits < 4 && q < end && is_hex(*q)) q++, digits++;
            if (digits == 4) continue;
        }
        }
        p = escape;
        return nullptr;
    }
    p = q;
    return nullptr;
}

// true, false or null at `p`; null pointer when it is none of them.
inline const uint8_t *scan_word(const uint8_t *p, const uint8_t *end) {
    for (const char *word : {"true", "false", "null"}) {
        const uint8_t *q = p;
        const char *w = word;
        while (*w && q < end && *q == static_cast<uint8_t>(*w)) q++, w++;
        if (!*w) return q;
    }
    return nullptr;
}

// The double nearest to the number in [p, end), which must follow the grammar.
inline double number_value(const uint8_t *p, const uint8_t *end) {
    const char *first = reinterpret_cast<const char *>(p);
    const char *last = reinterpret_cast<const char *>(end);
    double value = 0;
    if (std::from_chars(first, last, value).ec != std::errc::result_out_of_range) return value;
    // Too small becomes zero, too large infinite; the exponent's sign cannot tell which
    // (1000…0e-2), so count digits.
    bool negative = *first == '-';
    const char *q = first + negative;
    long long magnitude = 0;
    bool seen = false, fraction = false;
    for (; q < last && *q != 'e' && *q != 'E'; q++) {
        if (*q == '.') {
            fraction = true;
        } else if (*q != '0' || seen) {
            seen = true;
            magnitude += !fraction;
        } else {
            magnitude -= fraction;
        }
    }
    if (q < last) {
        q++;
        bool minus = *q == '-';
        if (*q == '+' || *q == '-') q++;
        long long exponent = 0;
        for (; q < last; q++) {
            if (exponent < 1000000000000ll) exponent = exponent * 10 + (*q - '0');
        }
        magnitude += minus ? -exponent : exponent;
    }
    double huge = magnitude > 0 ? std::numeric_limits<double>::infinity() : 0.0;
    return negative ? -huge : huge;
}

}  // namespace cjson

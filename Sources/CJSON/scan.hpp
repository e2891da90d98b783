// The grammar of JSON's scalars, byte by byte: what the walk checks itself, because On-Demand looks
// only at what is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <locale.h>
#include <string>

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

// The double nearest to the number in [p, end), which must follow the grammar: too small becomes zero, too
// large infinite. Without an exponent and with digits that fit 53 bits, one division of two exact doubles is
// that number (W. D. Clinger, "How to read floating point numbers accurately", 1990); coordinates are such.
// The rest is strtod_l's. std::from_chars would not do: GCC's library has it for doubles from version 11 only.
inline double number_value(const uint8_t *p, const uint8_t *end) {
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    const bool negative = *p == '-';
    uint64_t digits = 0;
    size_t after_point = 0;
    const uint8_t *q = p + negative;
    if (end - q <= 19) {
        bool fraction = false;
        for (; q < end && (is_digit(*q) || *q == '.'); q++) {
            if (*q == '.') {
                fraction = true;
            } else {
                digits = digits * 10 + (*q - '0');
                after_point += fraction;
            }
        }
        if (q == end && digits <= uint64_t(1) << 53) {
            const double value = double(digits) / powers[after_point];
            return negative ? -value : value;
        }
    }
    static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);
    const size_t length = end - p;
    char held[64];
    if (length >= sizeof held) return strtod_l(std::string(p, end).c_str(), nullptr, plain);
    std::memcpy(held, p, length);
    held[length] = 0;
    return strtod_l(held, nullptr, plain);
}

}  // namespace cjson

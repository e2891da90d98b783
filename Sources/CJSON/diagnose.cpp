#include "cjson.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "scan.hpp"

namespace {

using namespace cjson;

// The end of the UTF-8 sequence at `p`, or null.
const uint8_t *scan_utf8(const uint8_t *p, const uint8_t *end) {
    uint8_t c = *p;
    if (c < 0x80) return p + 1;
    int extra = 0;
    if (c >= 0xC2 && c <= 0xDF) extra = 1;
    if (c >= 0xE0 && c <= 0xEF) extra = 2;
    if (c >= 0xF0 && c <= 0xF4) extra = 3;
    if (!extra || end - p <= extra) return nullptr;
    for (int i = 1; i <= extra; i++) {
        if ((p[i] & 0xC0) != 0x80) return nullptr;
    }
    bool overlong = (c == 0xE0 && p[1] < 0xA0) || (c == 0xF0 && p[1] < 0x90);
    bool surrogate = c == 0xED && p[1] > 0x9F;
    bool beyond = c == 0xF4 && p[1] > 0x8F;
    return overlong || surrogate || beyond ? nullptr : p + 1 + extra;
}

bool is_word(uint8_t c) { return is_digit(c) || unsigned((c | 32) - 'a') < 26u; }

class Diagnosis {
public:
    Diagnosis(const uint8_t *bytes, size_t length, cj_error *error)
        : bytes(bytes), p(bytes), end(bytes + length), error(error) {}

    bool fails() {
        for (const uint8_t *q = bytes; q < end;) {
            const uint8_t *next = scan_utf8(q, end);
            if (!next) {
                // What comes first in the file is reported first.
                const uint8_t *whole = end;
                end = q;
                bool earlier = document() && !at_end;
                end = whole;
                return earlier || report(q, "the text is not UTF-8 (byte 0x%02X)", *q);
            }
            q = next;
        }
        return document();
    }

private:
    const uint8_t *bytes, *p, *end;
    cj_error *error;
    bool at_end = false;  // The error is only that the document ends too early.

    bool report(const uint8_t *at, const char *format, ...) {
        p = at;
        error->offset = size_t(at - bytes);
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        return true;
    }

    bool expected(const char *what) {
        char found[40];
        at_end = p >= end;
        if (at_end) {
            std::strcpy(found, "the end of the file");
        } else if (*p > 0x20 && *p < 0x7F) {
            size_t n = 0;
            while (n < 12 && p + n < end && is_word(p[n])) n++;
            if (n == 0) n = 1;
            std::snprintf(found, sizeof found, "'%.*s'", int(n), reinterpret_cast<const char *>(p));
        } else {
            std::snprintf(found, sizeof found, "byte 0x%02X", *p);
        }
        return report(p, "expected %s, found %s", what, found);
    }

    void space() {
        while (p < end && is_space(*p)) p++;
    }

    bool string() {
        const uint8_t *open = p, *after = scan_string(p, end);
        if (after) {
            p = after;
            return false;
        }
        if (p < end && *p == '\\') return report(p, "unknown escape in a string");
        if (p < end) return report(p, "control character 0x%02X in a string must be escaped", *p);
        at_end = true;
        return report(open, "the string is not closed");
    }

    bool scalar() {
        if (*p == '"') return string();
        bool plain, number = *p == '-' || is_digit(*p);
        const uint8_t *q = number ? scan_number(p, end, plain) : scan_word(p, end);
        if (q && (q == end || ends_scalar(*q))) {
            p = q;
            return false;
        }
        if (number) return report(p, "malformed number");
        for (const char *word : {"NaN", "Infinity", "nan", "inf"}) {
            size_t length = std::strlen(word);
            if (size_t(end - p) >= length && std::memcmp(p, word, length) == 0)
                return report(p, "%s is not a JSON value", word);
        }
        return expected("a value");
    }

    // Containers are a stack of bits, so that nesting costs no call.
    bool document() {
        p = bytes;
        bool in_object[CJ_MAX_DEPTH + 1] = {};
        int depth = 0;
        space();
        if (p == end) return report(p, "the file holds no JSON value");
        for (;;) {
            // A value starts here.
            space();
            if (p >= end) return expected("a value");
            if (*p == '{' || *p == '[') {
                if (++depth > CJ_MAX_DEPTH) {
                    return report(p, "arrays and objects are nested deeper than %d", CJ_MAX_DEPTH);
                }
                in_object[depth] = *p++ == '{';
                space();
                if (p < end && *p == (in_object[depth] ? '}' : ']')) {
                    p++;
                    depth--;
                } else if (in_object[depth]) {
                    if (key()) return true;
                    continue;
                } else {
                    continue;
                }
            } else if (scalar()) {
                return true;
            }
            // A value ended here.
            for (;;) {
                space();
                if (depth == 0) return p < end && expected("the end of the file");
                uint8_t close = in_object[depth] ? '}' : ']';
                if (p < end && *p == close) {
                    p++;
                    depth--;
                    continue;
                }
                if (p >= end || *p != ',') {
                    return expected(in_object[depth] ? "',' or '}'" : "',' or ']'");
                }
                p++;
                if (in_object[depth]) {
                    space();
                    if (key()) return true;
                }
                break;
            }
        }
    }

    bool key() {
        if (p >= end || *p != '"') return expected("a key in double quotes");
        if (string()) return true;
        space();
        if (p >= end || *p != ':') return expected("':'");
        p++;
        return false;
    }
};

}  // namespace

int cj_diagnose(const uint8_t *bytes, size_t length, cj_error *error) {
    return Diagnosis(bytes, length, error).fails();
}

#include "cjson.h"

#include <charconv>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "scan.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <simdjson.h>
#pragma GCC diagnostic pop

namespace {

using namespace simdjson;
using namespace cjson;

// Ends the walk: the document is broken (where and why is for cj_diagnose to say), or the visitor
// had enough.
struct Stop {
    cj_status status;
    error_code code;
};

class Walk {
public:
    Walk(const uint8_t *bytes, size_t length, const cj_visitor &visitor)
        : bytes(bytes), end(bytes + length), visitor(visitor) {}

    cj_status run(const cj_table *tables, size_t count) {
        size_t length = size_t(end - bytes);
        ondemand::parser parser(length);
        check(parser.iterate(padded_string_view(bytes, length, length + CJ_PADDING)).get(document));
        ondemand::json_type type;
        check(document.type().get(type));
        cj_status status = CJ_OK;
        if (type == ondemand::json_type::object) {
            ondemand::object top;
            check(document.get_object().get(top));
            read_top(top, tables, count);
        } else if (type == ondemand::json_type::array) {
            ondemand::array top;
            check(document.get_array().get(top));
            size_t table = 0;
            while (table < count && tables[table].key) table++;
            if (table < count) {
                read_rows(top, table, tables[table]);
            } else {
                status = CJ_NOT_OBJECT;
                skip_elements(top, 1);
            }
        } else if (cj_error error; cj_diagnose(bytes, length, &error)) {
            fail();
        } else {
            return CJ_NOT_OBJECT;
        }
        const char *rest;
        if (document.current_location().get(rest) != OUT_OF_BOUNDS) fail();
        return status;
    }

private:
    const uint8_t *bytes, *end;
    const cj_visitor &visitor;
    ondemand::document document;

    [[noreturn]] static void fail(error_code code = TAPE_ERROR) { throw Stop{CJ_INVALID, code}; }
    static void check(error_code code) {
        if (code) fail(code);
    }
    static void proceed(int answer) {
        if (answer) throw Stop{CJ_STOPPED, SUCCESS};
    }

    static const uint8_t *start(ondemand::value &value) {
        return reinterpret_cast<const uint8_t *>(value.raw_json_token().data());
    }

    // Just past the bracket that closed the container whose end was the last thing read: only white
    // space can lie between it and the next token.
    const uint8_t *container_end() {
        const char *next;
        const uint8_t *p = document.current_location().get(next)
            ? end : reinterpret_cast<const uint8_t *>(next);
        while (p > bytes && is_space(p[-1])) p--;
        return p;
    }

    const uint8_t *scalar(const uint8_t *p, bool &plain) {
        const uint8_t *q;
        plain = false;
        if (*p == '"') {
            q = scan_string(p, end);
        } else if (*p == '-' || is_digit(*p)) {
            q = scan_number(p, end, plain);
        } else {
            q = scan_word(p, end);
        }
        if (!q || (q < end && !ends_scalar(*q))) fail();
        return q;
    }

    void skip(ondemand::value &value, int depth) {
        const uint8_t *p = start(value);
        if (*p == '[') {
            ondemand::array array;
            check(value.get_array().get(array));
            skip_elements(array, depth + 1);
        } else if (*p == '{') {
            ondemand::object object;
            check(value.get_object().get(object));
            if (depth + 1 > CJ_MAX_DEPTH) fail();
            for (auto member : object) {
                ondemand::field field;
                check(std::move(member).get(field));
                key(field);
                skip(field.value(), depth + 1);
            }
        } else {
            bool plain;
            scalar(p, plain);
        }
    }

    void skip_elements(ondemand::array &array, int depth) {
        if (depth > CJ_MAX_DEPTH) fail();
        for (auto element : array) {
            ondemand::value value;
            check(std::move(element).get(value));
            skip(value, depth);
        }
    }

    struct Key {
        const uint8_t *begin, *end;  // Without quotes.
        bool escaped;
    };

    Key key(ondemand::field &field) {
        const uint8_t *quote = reinterpret_cast<const uint8_t *>(field.key().raw()) - 1;
        const uint8_t *p = quote, *after = scan_string(p, end);
        if (!after) fail();
        size_t length = size_t(after - quote) - 2;
        return {quote + 1, after - 1, length && std::memchr(quote + 1, '\\', length)};
    }

    // Whether a key is `name`, which is ASCII. Escapes count: "\u0069d" is "id".
    static bool matches(const Key &key, const char *name) {
        if (!key.escaped) {
            size_t length = size_t(key.end - key.begin);
            return std::strlen(name) == length && std::memcmp(key.begin, name, length) == 0;
        }
        const uint8_t *p = key.begin;
        for (; *name && p < key.end; name++) {
            unsigned c = *p++;
            if (c == '\\') {
                c = *p++;
                if (c == 'u') {
                    c = 0;
                    for (int i = 0; i < 4; i++, p++) {
                        c = c * 16 + (is_digit(*p) ? *p - '0' : (*p | 32) - 'a' + 10);
                    }
                } else if (c == '"' || c == '\\' || c == '/') {
                } else {
                    return false;
                }
            }
            if (c != static_cast<uint8_t>(*name)) return false;
        }
        return !*name && p == key.end;
    }

    void read_top(ondemand::object &top, const cj_table *tables, size_t count) {
        uint32_t seen = 0;
        for (auto member : top) {
            ondemand::field field;
            check(std::move(member).get(field));
            Key name = key(field);
            size_t table = 0;
            while (table < count && !(tables[table].key && matches(name, tables[table].key))) {
                table++;
            }
            if (table == count) {
                skip(field.value(), 1);
                continue;
            }
            bool first = !(seen >> table & 1);
            seen |= 1u << table;
            cj_value value{};
            const uint8_t *p = start(field.value());
            if (*p == '[') {
                value.kind = CJ_ARRAY;
                value.begin = value.end = uint32_t(p - bytes);
                proceed(visitor.table(visitor.context, table, &value, first));
                ondemand::array rows;
                check(field.value().get_array().get(rows));
                read_rows(rows, table, tables[table]);
            } else {
                read(field.value(), 1, value);
                proceed(visitor.table(visitor.context, table, &value, first));
            }
        }
    }

    void read_rows(ondemand::array &array, size_t index, const cj_table &table) {
        cj_value columns[CJ_MAX_COLUMNS], row;
        for (auto element : array) {
            ondemand::value item;
            check(std::move(element).get(item));
            const uint8_t *p = start(item);
            if (*p != '{') {
                read(item, 2, row);
                proceed(visitor.row(visitor.context, index, &row, nullptr));
                continue;
            }
            std::memset(columns, 0, table.column_count * sizeof *columns);
            row = {};
            row.kind = CJ_OBJECT;
            row.begin = uint32_t(p - bytes);
            ondemand::object object;
            check(item.get_object().get(object));
            for (auto member : object) {
                ondemand::field field;
                check(std::move(member).get(field));
                Key name = key(field);
                size_t column = 0;
                while (column < table.column_count && !matches(name, table.columns[column])) {
                    column++;
                }
                if (column == table.column_count) {
                    skip(field.value(), 3);
                } else {
                    bool repeated = columns[column].kind != CJ_MISSING;
                    read(field.value(), 3, columns[column]);
                    columns[column].repeated = repeated;
                }
            }
            row.end = uint32_t(container_end() - bytes);
            proceed(visitor.row(visitor.context, index, &row, columns));
        }
    }

    void number(const uint8_t *p, const uint8_t *q, bool plain, cj_value &out) {
        out.kind = CJ_NUMBER;
        const char *first = reinterpret_cast<const char *>(p);
        const char *last = reinterpret_cast<const char *>(q);
        out.is_integer = plain && std::from_chars(first, last, out.integer).ec == std::errc();
        out.numbers[0] = number_value(p, q);
    }

    void read(ondemand::value &value, int depth, cj_value &out) {
        out = {};
        const uint8_t *p = start(value);
        out.begin = uint32_t(p - bytes);
        if (*p == '[') {
            out.kind = CJ_ARRAY;
            read_array(value, depth + 1, out);
            out.end = uint32_t(container_end() - bytes);
        } else if (*p == '{') {
            out.kind = CJ_OBJECT;
            skip(value, depth);
            out.end = uint32_t(container_end() - bytes);
        } else {
            bool plain;
            const uint8_t *q = scalar(p, plain);
            out.end = uint32_t(q - bytes);
            switch (*p) {
            case '"': out.kind = CJ_STRING; break;
            case 't': out.kind = CJ_TRUE; break;
            case 'f': out.kind = CJ_FALSE; break;
            case 'n': out.kind = CJ_NULL; break;
            default: number(p, q, plain, out);
            }
        }
    }

    // An array's numbers are kept while there are at most four and nothing else.
    void read_array(ondemand::value &value, int depth, cj_value &out) {
        ondemand::array array;
        check(value.get_array().get(array));
        if (depth > CJ_MAX_DEPTH) fail();
        size_t count = 0;
        bool numbers = true;
        for (auto element : array) {
            ondemand::value item;
            check(std::move(element).get(item));
            const uint8_t *p = start(item);
            if (numbers && count < 4 && (*p == '-' || is_digit(*p))) {
                bool plain;
                out.numbers[count] = number_value(p, scalar(p, plain));
            } else {
                numbers = false;
                skip(item, depth);
            }
            count++;
        }
        out.has_numbers = numbers && count == 4;
    }
};

}  // namespace

cj_status cj_read(
    const uint8_t *bytes, size_t length, const cj_table *tables, size_t table_count,
    const cj_visitor *visitor, cj_error *error) {
    error->offset = 0;
    error->message[0] = 0;
    try {
        return Walk(bytes, length, *visitor).run(tables, table_count);
    } catch (const Stop &stop) {
        if (stop.status != CJ_INVALID) return stop.status;
        if (stop.code == MEMALLOC) return CJ_NO_MEMORY;
        if (!cj_diagnose(bytes, length, error)) {
            std::strncpy(error->message, error_message(stop.code), sizeof error->message - 1);
            error->message[sizeof error->message - 1] = 0;
        }
        return CJ_INVALID;
    } catch (const std::bad_alloc &) {
        return CJ_NO_MEMORY;
    } catch (const std::exception &exception) {
        std::strncpy(error->message, exception.what(), sizeof error->message - 1);
        error->message[sizeof error->message - 1] = 0;
        return CJ_INVALID;
    } catch (...) {
        std::strncpy(error->message, "unknown failure", sizeof error->message - 1);
        return CJ_INVALID;
    }
}

int cj_double(const uint8_t *text, size_t length, double *out) {
    bool plain;
    if (scan_number(text, text + length, plain) != text + length) return 0;
    try {
        *out = number_value(text, text + length);
    } catch (const std::bad_alloc &) {
        return 0;
    }
    return 1;
}

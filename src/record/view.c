/* SPDX-License-Identifier: MIT */
#include "view.h"

/* Hands the buffer to the caller's writer. After it failed nothing more is given, but bytes are
 * counted on: what a picture would have taken is what a trial wants to know (dot.c). */
void swarm__view_flush(struct view *view) {
    if (view->used != 0 && !view->failed) {
        view->failed = !view->spec->write(view->spec->write_context, view->buffer, view->used);
    }
    view->written += view->used;
    view->used = 0;
}

static void put(struct view *view, char c) {
    SWARM_ASSERT(view->used <= VIEW_BUFFER);
    if (view->used == VIEW_BUFFER) {
        swarm__view_flush(view);
    }
    view->buffer[view->used++] = c;
}

void swarm__view_text(struct view *view, const char *text) {
    SWARM_ASSERT(text != NULL);
    for (; *text != '\0'; text++) {
        put(view, *text);
    }
}

void swarm__view_digits(struct view *view, uint64_t number, uint32_t digits) {
    char text[20];
    uint32_t n = 0;

    SWARM_ASSERT(digits <= sizeof text);
    do {
        text[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0 || n < digits);
    while (n != 0) {
        put(view, text[--n]);
    }
}

void swarm__view_number(struct view *view, uint64_t number) {
    swarm__view_digits(view, number, 1);
}

void swarm__view_hex(struct view *view, uint64_t number, uint32_t digits) {
    SWARM_ASSERT(digits <= 16);
    for (uint32_t i = digits; i != 0; i--) {
        put(view, "0123456789abcdef"[number >> (4 * (i - 1)) & 15]);
    }
}

/* Bytes of the character at `text` if it is good UTF-8 (RFC 3629), else 0. */
static uint32_t utf8_size(const unsigned char *text) {
    uint32_t size = text[0] < 0x80   ? 1
                    : text[0] < 0xc2 ? 0
                    : text[0] < 0xe0 ? 2
                    : text[0] < 0xf0 ? 3
                    : text[0] < 0xf5 ? 4
                                     : 0;

    for (uint32_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0; /* also the end of the text */
        }
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0; /* too long, a surrogate, or behind the last character */
    }
    return size;
}

/* Copies one character of more than a byte, or a question mark; the bytes that it took. */
static uint32_t put_character(struct view *view, const char *text) {
    uint32_t size = utf8_size((const unsigned char *)text);

    if (size == 0) {
        put(view, '?');
        return 1;
    }
    for (uint32_t i = 0; i < size; i++) {
        put(view, text[i]);
    }
    return size;
}

/* JSON's own escapes (RFC 8259, section 7), and those that HTML needs inside of a script. */
void swarm__view_json(struct view *view, const char *text) {
    while (*text != '\0') {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == 0x7f) {
            swarm__view_text(view, "\\u00");
            swarm__view_hex(view, c, 2);
            text++;
        } else if (c == '"' || c == '\\') {
            put(view, '\\');
            put(view, *text++);
        } else {
            text += put_character(view, text);
        }
    }
}

/* What means something to HTML, to Graphviz or to Mermaid. */
static bool is_markup(char c) {
    static const char special[] = "&<>\"'`#;\\[](){}|";

    for (uint32_t i = 0; i + 1 < sizeof special; i++) {
        if (c == special[i]) {
            return true;
        }
    }
    return false;
}

/* Numeric character references: the one form of escape that all three readers understand. */
void swarm__view_markup(struct view *view, const char *text) {
    while (*text != '\0') {
        unsigned char c = (unsigned char)*text;

        if (is_markup(*text)) {
            swarm__view_text(view, "&#");
            swarm__view_number(view, c);
            put(view, ';');
            text++;
        } else if (c < 0x20 || c == 0x7f) {
            put(view, ' ');
            text++;
        } else {
            text += put_character(view, text);
        }
    }
}

void swarm__view_us(struct view *view, uint64_t ns) {
    swarm__view_number(view, ns / 1000);
    put(view, '.');
    swarm__view_digits(view, ns % 1000, 3);
}

void swarm__view_seconds(struct view *view, uint64_t ns) {
    swarm__view_number(view, ns / 1000000000);
    put(view, '.');
    swarm__view_digits(view, ns / 1000000 % 1000, 3);
    swarm__view_text(view, " s");
}

void swarm__view_percent(struct view *view, uint64_t ppm) {
    swarm__view_number(view, ppm / 10000);
    put(view, '.');
    swarm__view_digits(view, ppm / 1000 % 10, 1);
    swarm__view_text(view, " %");
}

void swarm__view_item(struct view *view) {
    if (view->more) {
        put(view, ',');
    }
    view->more = true;
}

const char *swarm__view_step_name(const struct view *view, uint32_t step) {
    const swarm_picture_spec *spec = view->spec;

    SWARM_ASSERT(step < view->trace->step_count);
    return spec->step_name == NULL
               ? NULL
               : spec->step_name(spec->name_context, view->trace->steps[step].ordinal);
}

const char *swarm__view_agent_name(const struct view *view, uint32_t agent) {
    const swarm_picture_spec *spec = view->spec;

    SWARM_ASSERT(agent < view->trace->agent_count);
    return spec->agent_name == NULL
               ? NULL
               : spec->agent_name(spec->name_context, view->trace->agents[agent].id);
}

swarm_status swarm_trace_write(const swarm_trace *trace, const swarm_picture_spec *spec) {
    struct view view = {.trace = trace, .spec = spec};
    bool fits = true;

    if (trace == NULL || spec == NULL || spec->write == NULL) {
        return SWARM_E_INVALID;
    }
    switch (spec->kind) {
    case SWARM_PICTURE_TEXT:
        swarm__view_summary(&view);
        break;
    case SWARM_PICTURE_CHROME:
        swarm__view_chrome(&view);
        break;
    case SWARM_PICTURE_OTLP:
        swarm__view_otlp(&view);
        break;
    case SWARM_PICTURE_DOT:
    case SWARM_PICTURE_MERMAID:
        fits = swarm__view_dot(&view, spec->kind == SWARM_PICTURE_MERMAID);
        break;
    case SWARM_PICTURE_HTML:
        swarm__view_html(&view);
        break;
    default:
        return SWARM_E_INVALID;
    }
    if (!fits) {
        return SWARM_E_TOO_BIG;
    }
    swarm__view_flush(&view);
    return view.failed ? SWARM_E_AGAIN : SWARM_OK;
}

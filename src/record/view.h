/* SPDX-License-Identifier: MIT */
/*
 * view.h - a picture on its way out: text, through a small buffer, to the caller's writer.
 *
 * Everything that a picture says goes through here, so that escaping is in one place. Names come
 * from the caller; the log has none, and never any prompt.
 *
 * Invariant: after the writer has refused once it is not called again; `failed` says so at the end.
 * Memory: the buffer, on the stack of swarm_trace_write.
 */
#ifndef SWARM_RECORD_VIEW_H
#define SWARM_RECORD_VIEW_H

#include "trace.h"

#define VIEW_BUFFER 4096u

struct view {
    const swarm_trace *trace;
    const swarm_picture_spec *spec;
    uint64_t written;
    uint32_t used;
    bool failed;
    bool more; /* an item of the list at hand has been written */
    char buffer[VIEW_BUFFER];
};

void swarm__view_flush(struct view *view);
void swarm__view_text(struct view *view, const char *text);
void swarm__view_number(struct view *view, uint64_t number);
/* At least so many digits, with zeros in front. */
void swarm__view_digits(struct view *view, uint64_t number, uint32_t digits);
/* `digits` hexadecimal digits. */
void swarm__view_hex(struct view *view, uint64_t number, uint32_t digits);
/* Escaped for JSON, and so that it can stand in a script of a page: "<" is written as a code. */
void swarm__view_json(struct view *view, const char *text);
/* Escaped for HTML, and for labels of DOT and Mermaid, where the same codes are read. */
void swarm__view_markup(struct view *view, const char *text);
/* ns as us with three digits behind the point. */
void swarm__view_us(struct view *view, uint64_t ns);
/* ns as seconds with three digits. */
void swarm__view_seconds(struct view *view, uint64_t ns);
/* Millionths as a percentage with one digit. */
void swarm__view_percent(struct view *view, uint64_t ppm);
/* A comma before every item but the first. */
void swarm__view_item(struct view *view);

/* The caller's name for a step or an agent, or null. */
const char *swarm__view_step_name(const struct view *view, uint32_t step);
const char *swarm__view_agent_name(const struct view *view, uint32_t agent);

/* The pictures. False: it would be too large. */
void swarm__view_summary(struct view *view);
void swarm__view_chrome(struct view *view);
void swarm__view_otlp(struct view *view);
bool swarm__view_dot(struct view *view, bool mermaid);
void swarm__view_html(struct view *view);

#endif

/* SPDX-License-Identifier: MIT */
/* fuzz_http.c - bytes as the answer of an HTTP endpoint, fed in pieces. */
#include "fuzz.h"

#include "../backends/http/swarm_http.h"

static size_t fuzz_good(uint32_t index, uint8_t *bytes, size_t max) {
    static const char *const good[] = {
        "\x01\x40HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 59\r\n\r\n"
        "{\"choices\":[{\"message\":{\"content\":\"yes\"},\"finish_reason\":1}]}",
        "\x01\x05HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
        "chunked\r\n\r\n2c\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\n\r\n"
        "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
        "\x02\x07HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}",
        "\x02\x11HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":"
        "{\"input_tokens\":3}}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    };
    size_t size = index < sizeof good / sizeof *good ? strlen(good[index]) : 0;

    FUZZ_CHECK(size <= max);
    if (size != 0) {
        memcpy(bytes, good[index], size);
    }
    return size;
}

/* The first byte picks the dialect, the second the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static unsigned char memory[1u << 20];
    swarm_http_wire *wire = swarm_http_wire_new(NULL, memory, sizeof memory);
    swarm_http_event event = {0};
    size_t at = 2, piece = size < 2 ? 1 : 1u + bytes[1];

    FUZZ_CHECK(wire != NULL);
    swarm_http_wire_begin(wire, size == 0 ? 0 : bytes[0] % 4, 0);
    for (size_t guard = 0; at < size; guard++) {
        size_t more = size - at < piece ? size - at : piece;
        size_t taken = swarm_http_wire_input(wire, bytes + at, more, &event);

        FUZZ_CHECK(taken <= more && guard <= 64 * size + 64);
        at += taken;
        if (taken == 0 && event.kind == 0) {
            break; /* it has ended */
        }
    }
    swarm_http_wire_end(wire, &event);
    return 0;
}

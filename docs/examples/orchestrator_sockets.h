/* SPDX-License-Identifier: MIT */
/*
 * orchestrator_sockets.h - a transport over POSIX sockets, with TLS where OpenSSL is there.
 *
 * All sockets are non-blocking; sockets_wait sleeps in poll(2) until one of them has something, so
 * that the program's loop wakes for bytes and not only for times. Names are resolved when a
 * connection is opened, which may block; a program with many endpoints would resolve them once.
 *
 * Memory: one struct. Threads: one.
 */
#ifndef SWARM_EXAMPLES_ORCHESTRATOR_SOCKETS_H
#define SWARM_EXAMPLES_ORCHESTRATOR_SOCKETS_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef ORCHESTRATOR_TLS
#include <openssl/ssl.h>
#endif

#include "backends/http/swarm_http.h"

#define SOCKETS_MAX 64

struct socket_line {
    int descriptor; /* -1: free */
#ifdef ORCHESTRATOR_TLS
    SSL *tls;
#endif
};

struct sockets {
    struct socket_line lines[SOCKETS_MAX];
    bool tls; /* wanted */
#ifdef ORCHESTRATOR_TLS
    SSL_CTX *context;
#endif
};

/* Splits "name:port", also "[::1]:8000". */
static inline bool address_split(const char *host, bool tls, char *name, char *port) {
    const char *colon = strrchr(host, ':');
    size_t size;

    if (colon != NULL && strchr(colon, ']') != NULL) {
        colon = NULL; /* it is inside an IPv6 address */
    }
    size = colon != NULL ? (size_t)(colon - host) : strlen(host);
    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    }
    snprintf(port, 16, "%s", colon != NULL ? colon + 1 : tls ? "443" : "80");
    return snprintf(name, 256, "%.*s", (int)size, host) < 256;
}

/* A socket that is connecting, or -1. */
static inline int address_connect(const char *name, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int descriptor = -1;

    if (getaddrinfo(name, port, &hints, &found) != 0) {
        return -1;
    }
    for (struct addrinfo *at = found; at != NULL && descriptor < 0; at = at->ai_next) {
        descriptor = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
        if (descriptor >= 0) {
            fcntl(descriptor, F_SETFL, O_NONBLOCK);
            if (connect(descriptor, at->ai_addr, at->ai_addrlen) != 0 && errno != EINPROGRESS) {
                close(descriptor);
                descriptor = -1;
            }
        }
    }
    freeaddrinfo(found);
    return descriptor;
}

#ifdef ORCHESTRATOR_TLS
/* The certificate must be for this name; keys must not go to anybody else. */
static inline bool line_secure(struct sockets *sockets, struct socket_line *line,
                               const char *name) {
    if (sockets->context == NULL) {
        sockets->context = SSL_CTX_new(TLS_client_method());
        if (sockets->context == NULL || SSL_CTX_set_default_verify_paths(sockets->context) != 1) {
            return false;
        }
        SSL_CTX_set_verify(sockets->context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(sockets->context,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    line->tls = SSL_new(sockets->context);
    if (line->tls == NULL || SSL_set_fd(line->tls, line->descriptor) != 1 ||
        SSL_set1_host(line->tls, name) != 1 ||
        SSL_ctrl(line->tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)name) != 1) {
        return false;
    }
    SSL_set_connect_state(line->tls);
    return true;
}

/* What a call of OpenSSL's comes to for the client. */
static inline size_t tls_result(struct socket_line *line, int result) {
    int error = SSL_get_error(line->tls, result);

    if (result > 0) {
        return (size_t)result;
    }
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : SIZE_MAX;
}
#endif

static inline void socket_close(void *context, uint64_t connection) {
    struct socket_line *line = &((struct sockets *)context)->lines[connection];

#ifdef ORCHESTRATOR_TLS
    SSL_free(line->tls);
    line->tls = NULL;
#endif
    close(line->descriptor);
    line->descriptor = -1;
}

static inline uint64_t socket_open(void *context, const char *host, uint64_t now_ns) {
    struct sockets *sockets = context;
    char name[256], port[16];
    uint64_t number = 0;

    (void)now_ns;
    while (number < SOCKETS_MAX && sockets->lines[number].descriptor >= 0) {
        number++;
    }
    if (number == SOCKETS_MAX || !address_split(host, sockets->tls, name, port)) {
        return SWARM_NEVER;
    }
    sockets->lines[number].descriptor = address_connect(name, port);
    if (sockets->lines[number].descriptor < 0) {
        return SWARM_NEVER;
    }
#ifdef ORCHESTRATOR_TLS
    if (sockets->tls && !line_secure(sockets, &sockets->lines[number], name)) {
        socket_close(sockets, number);
        return SWARM_NEVER;
    }
#endif
    return number;
}

static inline bool socket_not_yet(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN || errno == EINTR;
}

static inline size_t socket_send(void *context, uint64_t connection, const void *bytes, size_t size,
                                 uint64_t now_ns) {
    struct socket_line *line = &((struct sockets *)context)->lines[connection];
    ssize_t sent;

    (void)now_ns;
#ifdef ORCHESTRATOR_TLS
    if (line->tls != NULL) {
        return tls_result(line,
                          SSL_write(line->tls, bytes, (int)(size < 1 << 20 ? size : 1 << 20)));
    }
#endif
    sent = send(line->descriptor, bytes, size, MSG_NOSIGNAL);
    return sent >= 0 ? (size_t)sent : socket_not_yet() ? 0 : SIZE_MAX;
}

static inline size_t socket_recv(void *context, uint64_t connection, void *buffer, size_t capacity,
                                 uint64_t now_ns) {
    struct socket_line *line = &((struct sockets *)context)->lines[connection];
    ssize_t received;

    (void)now_ns;
#ifdef ORCHESTRATOR_TLS
    if (line->tls != NULL) {
        return tls_result(line, SSL_read(line->tls, buffer, (int)capacity));
    }
#endif
    received = recv(line->descriptor, buffer, capacity, 0);
    if (received < 0) {
        return socket_not_yet() ? 0 : SIZE_MAX;
    }
    return received > 0 ? (size_t)received : SIZE_MAX;
}

/* Sleeps until a socket has something to read, or for so many milliseconds. */
static inline void sockets_wait(const struct sockets *sockets, int milliseconds) {
    struct pollfd waiting[SOCKETS_MAX];
    nfds_t count = 0;

    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        if (sockets->lines[i].descriptor >= 0) {
            waiting[count++] =
                (struct pollfd){.fd = sockets->lines[i].descriptor, .events = POLLIN};
        }
    }
    poll(waiting, count, milliseconds);
}

static inline swarm_http_transport sockets_begin(struct sockets *sockets, bool tls) {
    memset(sockets, 0, sizeof *sockets);
    sockets->tls = tls;
    for (uint32_t i = 0; i < SOCKETS_MAX; i++) {
        sockets->lines[i].descriptor = -1;
    }
    return (swarm_http_transport){.size = sizeof(swarm_http_transport),
                                  .context = sockets,
                                  .open = socket_open,
                                  .send = socket_send,
                                  .recv = socket_recv,
                                  .close = socket_close};
}

#endif

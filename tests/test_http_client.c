/* SPDX-License-Identifier: MIT */
/*
 * test_http_client.c - the HTTP backend in virtual time, against a simulated server.
 *
 * The server is a transport: it reads whole requests (Content-Length), asks the test's script what
 * to answer, and gives the bytes at the times that the script names, in pieces. It knows when each
 * request came, which connections were closed by whom, and how much was allowed.
 */
#include "../backends/http/swarm_http.h"
#include "test.h"

#define SECOND 1000000000u
#define LINKS 1024u
#define SEEN_MAX 65536u

/* What a request is answered with. */
struct reply {
    const char *bytes; /* null: none, ever */
    uint64_t delay_ns; /* to its first piece */
    uint64_t gap_ns;   /* between pieces */
    size_t piece;      /* bytes of one; 0: all */
    size_t cut;        /* bytes after which the server closes; 0: none */
    bool closes;       /* after the whole */
};

struct link {
    char request[8192];
    size_t size;
    struct reply reply;
    size_t given;
    uint64_t due_ns;
    uint64_t ends_ns; /* when the server closes it although nothing was asked; 0: never */
    uint32_t requests;
    bool open;
    bool ended; /* by the server */
    bool answering;
};

struct server {
    struct link links[LINKS];
    uint64_t seen_ns[SEEN_MAX]; /* when requests came */
    void (*script)(struct server *server, struct link *link, uint32_t number, uint64_t now);
    uint32_t seen;
    uint32_t opened;
    uint32_t closed;  /* by the client, while it was being answered */
    uint64_t idle_ns; /* after which the server closes an idle connection */
    uint64_t tokens;  /* of its bucket, in millionths */
    uint64_t filled_ns;
    uint64_t served;
    uint64_t now;
};

static struct server server;

#define OK_BODY                                                                                    \
    "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n"                                \
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":" \
    "10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n"             \
    "data: [DONE]\n\n"

static char ok_reply[1024], chunked_open[1024];

static void replies_make(void) {
    snprintf(ok_reply, sizeof ok_reply,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(OK_BODY), OK_BODY);
    snprintf(chunked_open, sizeof chunked_open,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n", strlen(OK_BODY),
             OK_BODY);
}

static uint64_t server_open(void *context, const char *host, uint64_t now_ns) {
    struct server *s = context;

    CHECK(strcmp(host, "test:1") == 0);
    s->now = now_ns;
    for (uint32_t i = 0; i < LINKS; i++) {
        if (!s->links[i].open) {
            memset(&s->links[i], 0, sizeof s->links[i]);
            s->links[i].open = true;
            s->opened++;
            return i;
        }
    }
    return SWARM_NEVER;
}

/* Whether the request is there with all of its body. */
static bool request_whole(const struct link *link) {
    const char *end = strstr(link->request, "\r\n\r\n");
    const char *length = strstr(link->request, "Content-Length: ");

    return end != NULL && length != NULL &&
           link->size == (size_t)(end - link->request) + 4 + strtoull(length + 16, NULL, 10);
}

static size_t server_send(void *context, uint64_t connection, const void *bytes, size_t size,
                          uint64_t now_ns) {
    struct server *s = context;
    struct link *link = &s->links[connection];

    s->now = now_ns;
    CHECK(link->open && !link->answering);
    if (link->ended || (link->ends_ns != 0 && now_ns >= link->ends_ns)) {
        link->ended = true;
        return SIZE_MAX;
    }
    size = size < 100 ? size : 100; /* requests are longer than what fits at once */
    CHECK(link->size + size < sizeof link->request);
    memcpy(link->request + link->size, bytes, size);
    link->size += size;
    link->request[link->size] = '\0';
    if (request_whole(link)) {
        s->seen_ns[s->seen] = now_ns;
        link->requests++;
        link->answering = true;
        link->given = 0;
        link->ends_ns = 0;
        link->reply = (struct reply){.bytes = ok_reply, .delay_ns = SECOND / 100};
        s->script(s, link, s->seen++, now_ns);
        link->due_ns = now_ns + link->reply.delay_ns;
        link->size = 0;
    }
    return size;
}

static size_t piece_size(const struct link *link) {
    size_t all = strlen(link->reply.bytes), piece = link->reply.piece;

    all = link->reply.cut != 0 && link->reply.cut < all ? link->reply.cut : all;
    piece = piece == 0 ? all : piece;
    return piece < all - link->given ? piece : all - link->given;
}

static size_t server_recv(void *context, uint64_t connection, void *buffer, size_t capacity,
                          uint64_t now_ns) {
    struct server *s = context;
    struct link *link = &s->links[connection];
    size_t size;

    CHECK(link->open);
    s->now = now_ns;
    link->ended = link->ended || (link->ends_ns != 0 && now_ns >= link->ends_ns);
    if (link->ended) {
        return SIZE_MAX;
    }
    if (!link->answering || link->reply.bytes == NULL || now_ns < link->due_ns) {
        return 0;
    }
    size = piece_size(link);
    size = size < capacity ? size : capacity;
    memcpy(buffer, link->reply.bytes + link->given, size);
    link->given += size;
    link->due_ns = now_ns + link->reply.gap_ns;
    if (piece_size(link) == 0) {
        link->answering = false;
        link->ended = link->reply.cut != 0 || link->reply.closes;
        link->ends_ns = s->idle_ns != 0 ? now_ns + s->idle_ns : 0;
    }
    return size;
}

static void server_close(void *context, uint64_t connection) {
    struct server *s = context;

    CHECK(s->links[connection].open);
    s->closed += s->links[connection].answering ? 1 : 0;
    s->links[connection].open = false;
}

static uint64_t server_next(void *context) {
    struct server *s = context;
    uint64_t due = SWARM_NEVER;

    for (uint32_t i = 0; i < LINKS; i++) {
        const struct link *link = &s->links[i];
        uint64_t when = SWARM_NEVER;

        if (link->open && link->answering && link->reply.bytes != NULL) {
            when = link->due_ns;
        } else if (link->open && (link->ended || link->size != 0)) {
            when = 0;
        }
        due = when < due ? when : due;
    }
    return due;
}

static const swarm_http_transport TRANSPORT = {.size = sizeof TRANSPORT,
                                               .context = &server,
                                               .open = server_open,
                                               .send = server_send,
                                               .recv = server_recv,
                                               .close = server_close,
                                               .next = server_next};

/* ---- The client's side --------------------------------------------------------------------- */

struct fixture {
    swarm *sw;
    swarm_http *http;
    void *memory;
    swarm_run run;
    swarm_plan *plan;
    swarm_http_stats stats;
    swarm_run_report report;
};

static void begin(struct fixture *f, const swarm_http_spec *more, uint32_t agents,
                  void (*script)(struct server *, struct link *, uint32_t, uint64_t)) {
    swarm_config config = {
        .size = sizeof config, .version = SWARM_VERSION, .host = swarm_host_default()};
    swarm_http_spec spec = *more;
    swarm_profile_spec profile = {.name = "writer"};
    size_t size;

    memset(f, 0, sizeof *f);
    memset(&server, 0, sizeof server);
    replies_make();
    server.script = script;
    spec.size = sizeof spec;
    spec.transport = &TRANSPORT;
    spec.host = "test:1";
    spec.model = "m";
    size = swarm_http_size(&spec);
    f->memory = malloc(size);
    f->http = swarm_http_new(&spec, f->memory, size);
    CHECK(f->http != NULL && swarm_new(&config, &f->sw) == SWARM_OK);
    profile.backend = swarm_backend_add(f->sw, swarm_http_backend(f->http));
    swarm_agent_add(f->sw, swarm_profile_add(f->sw, &profile), agents);
    f->run = swarm_run_open(f->sw, NULL);
    f->plan = swarm_plan_open(f->sw, f->run);
}

static swarm_step step(struct fixture *f, uint32_t attempts) {
    return swarm_step_add(
        f->plan, &(swarm_step_spec){.payload = "say hello", .retry = {.attempts_max = attempts}});
}

static swarm_status finish(struct fixture *f) {
    swarm_status status = swarm_plan_commit(f->plan, NULL);

    if (status == SWARM_OK) {
        status = swarm_sim_drive(f->sw, NULL);
    }
    CHECK_EQ(status, SWARM_OK);
    swarm_http_stats_get(f->http, &f->stats);
    swarm_run_report_get(f->sw, f->run, &f->report);
    return status;
}

static void end(struct fixture *f) {
    CHECK_EQ(swarm_free(f->sw), SWARM_OK);
    swarm_http_close(f->http);
    for (uint32_t i = 0; i < LINKS; i++) {
        CHECK(!server.links[i].open);
    }
    free(f->memory);
}

static const swarm_http_spec PLAIN = {.pace_ns = SWARM_ZERO};

/* ---- Answers ------------------------------------------------------------------------------- */

static void always_ok(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.piece = 7;
    link->reply.gap_ns = 1000;
}

TEST(an_answer_is_the_turn_as_json_with_usage) {
    struct fixture f;
    swarm_step only;
    swarm_step_info info;
    char text[64];
    swarm_http_spec spec = PLAIN;

    spec.price = (swarm_http_price){.input_nano = 100, .cached_nano = 10, .output_nano = 1000};
    begin(&f, &spec, 1, always_ok);
    only = step(&f, 1);
    finish(&f);
    CHECK_EQ(swarm_step_status(f.sw, only, &info), SWARM_OK);
    CHECK_EQ(info.state, SWARM_STEP_OK);
    CHECK_EQ(info.result.branch, SWARM_HTTP_FINISH_STOP);
    CHECK_EQ(swarm_http_json_member(info.result.bytes, info.result.size, "content", text, 64), 5);
    CHECK(memcmp(text, "hello", 5) == 0);
    CHECK_EQ(f.report.usage.input_tokens, 10);
    CHECK_EQ(f.report.usage.cached_tokens, 4);
    CHECK_EQ(f.report.usage.output_tokens, 5);
    CHECK_EQ(f.report.usage.cost_nano, 6 * 100 + 4 * 10 + 5 * 1000);
    CHECK(strstr(server.links[0].request,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: test:1\r\n") != NULL);
    CHECK(strstr(server.links[0].request, "\"content\":\"say hello\"") != NULL);
    CHECK_EQ(f.stats.ok, 1);
    end(&f);
}

TEST(a_connection_is_used_again_in_a_chain) {
    struct fixture f;
    swarm_step last = {0};

    begin(&f, &PLAIN, 1, always_ok);
    for (uint32_t i = 0; i < 5; i++) {
        swarm_step next = step(&f, 1);

        if (i != 0) {
            swarm_edge_add(f.plan, last, next, 0);
        }
        last = next;
    }
    finish(&f);
    CHECK_EQ(f.report.ok, 5);
    CHECK_EQ(server.opened, 1);
    CHECK_EQ(f.stats.reused, 4);
    end(&f);
}

/* ---- Connections that end ------------------------------------------------------------------ */

static void chain_with_delay(struct fixture *f, uint64_t delay_ns) {
    swarm_step first = step(f, 1), second = step(f, 1);

    swarm_edge_add(f->plan, first, second, delay_ns);
    finish(f);
    CHECK_EQ(f->report.ok, 2);
}

TEST(a_connection_that_was_idle_for_long_is_not_used) {
    struct fixture f;

    begin(&f, &PLAIN, 1, always_ok);
    chain_with_delay(&f, (uint64_t)5 * SECOND);
    CHECK_EQ(server.opened, 2);
    CHECK_EQ(f.stats.reused, 0);
    end(&f);
}

static void keep_alive_two(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    static char text[1024];

    (void)s, (void)number, (void)now;
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2, max=10\r\n%s",
             strstr(ok_reply, "Content-Type"));
    link->reply.bytes = text;
}

TEST(what_the_server_says_of_idle_connections_is_heeded) {
    struct fixture f;

    begin(&f, &PLAIN, 1, keep_alive_two);
    chain_with_delay(&f, (uint64_t)SECOND + SECOND / 10); /* a second before it closes */
    CHECK_EQ(server.opened, 2);
    end(&f);
    begin(&f, &PLAIN, 1, keep_alive_two);
    chain_with_delay(&f, SECOND / 2);
    CHECK_EQ(server.opened, 1);
    end(&f);
}

TEST(an_idle_connection_that_was_closed_is_seen_before_it_is_used) {
    struct fixture f;

    begin(&f, &PLAIN, 1, always_ok);
    server.idle_ns = SECOND / 2;
    chain_with_delay(&f, SECOND);
    CHECK_EQ(server.opened, 2);
    CHECK_EQ(f.stats.stale, 0);
    end(&f);
}

static void closes_on_second(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    if (link->requests == 2) { /* it was about to close when the request came */
        link->ended = true;
        link->answering = false;
    }
}

TEST(a_stale_connection_costs_nothing) {
    struct fixture f;

    begin(&f, &PLAIN, 1, closes_on_second);
    chain_with_delay(&f, 0);
    CHECK_EQ(f.stats.stale, 1);
    CHECK_EQ(f.stats.resends, 0);
    CHECK_EQ(f.report.retries, 0);
    CHECK_EQ(server.opened, 2);
    end(&f);
}

/* ---- Failures ------------------------------------------------------------------------------ */

#define ERROR_REPLY(status, fields) "HTTP/1.1 " status " x\r\n" fields "Content-Length: 0\r\n\r\n"

static void fails_twice(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)now;
    link->reply.bytes = number < 2 ? ERROR_REPLY("500", "") : ok_reply;
}

TEST(failures_before_content_are_repeated_here) {
    struct fixture f;

    begin(&f, &PLAIN, 1, fails_twice);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(f.report.ok, 1);
    CHECK_EQ(f.report.attempts, 1);
    CHECK_EQ(f.stats.resends, 2);
    CHECK(server.seen_ns[1] - server.seen_ns[0] <= SECOND / 2 + SECOND / 50);
    CHECK(server.seen_ns[2] - server.seen_ns[1] <= SECOND + SECOND / 50);
    end(&f);
}

static void always_500(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.bytes = ERROR_REPLY("500", "");
}

static void no_retry_500(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.bytes = ERROR_REPLY("500", "x-should-retry: false\r\n");
}

static void wait_500(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.bytes = ERROR_REPLY("500", "Retry-After: 300\r\n");
}

TEST(repetitions_have_one_owner_and_an_end) {
    struct fixture f;

    begin(&f, &PLAIN, 1, always_500);
    step(&f, 2);
    finish(&f);
    CHECK_EQ(f.report.failed, 1);
    CHECK_EQ(f.report.attempts, 2);
    CHECK_EQ(server.seen, 6); /* three for each attempt, never more */
    end(&f);
    begin(&f, &PLAIN, 1, no_retry_500);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(server.seen, 1);
    end(&f);
    begin(&f, &PLAIN, 1, wait_500);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(server.seen, 1); /* five minutes are dispatch's to wait */
    end(&f);
}

static void cuts(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.cut = strlen(ok_reply) - strlen(OK_BODY) + 60;
}

TEST(a_cut_after_content_is_dispatchs) {
    struct fixture f;

    begin(&f, &PLAIN, 1, cuts);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(f.report.failed, 1);
    CHECK_EQ(server.seen, 1);
    CHECK_EQ(f.stats.incomplete, 1);
    end(&f);
}

static void bad_request(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.bytes = ERROR_REPLY("400", "");
}

TEST(a_bad_request_is_not_repeated_by_anybody) {
    struct fixture f;

    begin(&f, &PLAIN, 1, bad_request);
    step(&f, 5);
    finish(&f);
    CHECK_EQ(f.report.failed, 1);
    CHECK_EQ(server.seen, 1);
    end(&f);
}

/* ---- Time ---------------------------------------------------------------------------------- */

static void drips(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    static char text[65536];
    size_t at = (size_t)snprintf(text, sizeof text,
                                 "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                                 "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n");

    (void)s, (void)number, (void)now;
    while (at < 60000) {
        at +=
            (size_t)snprintf(text + at, sizeof text - at,
                             ": ping\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n");
    }
    link->reply = (struct reply){.bytes = text, .piece = 20, .gap_ns = SECOND};
}

TEST(comments_and_empty_deltas_are_no_content) {
    struct fixture f;
    swarm_http_spec spec = PLAIN;

    spec.idle_ns = (uint64_t)10 * SECOND;
    begin(&f, &spec, 1, drips);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(f.stats.timed_out, 1);
    CHECK_EQ(f.report.ok, 0);
    CHECK(f.report.end_ns > (uint64_t)10 * SECOND && f.report.end_ns < (uint64_t)20 * SECOND);
    CHECK_EQ(server.closed, 1);
    end(&f);
}

static void silent(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.bytes = NULL;
}

TEST(each_time_limit_ends_an_attempt) {
    struct fixture f;
    swarm_http_spec spec = PLAIN;

    spec.head_ns = (uint64_t)3 * SECOND;
    begin(&f, &spec, 1, silent);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(f.report.end_ns, (uint64_t)3 * SECOND);
    CHECK_EQ(f.stats.timed_out, 1);
    end(&f);
    spec = PLAIN;
    spec.total_ns = (uint64_t)7 * SECOND;
    begin(&f, &spec, 1, drips);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(f.report.end_ns, (uint64_t)7 * SECOND);
    end(&f);
}

static void never_ends(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)number, (void)now;
    link->reply.bytes = chunked_open; /* no last chunk */
}

TEST(an_answer_is_there_at_its_end_mark) {
    struct fixture f;

    begin(&f, &PLAIN, 1, never_ends);
    chain_with_delay(&f, (uint64_t)2 * SECOND);
    CHECK_EQ(f.stats.ok, 2);
    CHECK(f.report.end_ns < (uint64_t)2 * SECOND + SECOND / 10);
    CHECK_EQ(f.stats.reused, 0);
    end(&f);
}

TEST(a_cancel_closes_the_connection) {
    struct fixture f;
    swarm_step only;
    swarm_drive_options until = {.until_ns = SECOND};

    begin(&f, &PLAIN, 1, silent);
    only = step(&f, 3);
    CHECK_EQ(swarm_plan_commit(f.plan, NULL), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(f.sw, &until), SWARM_E_TIMED_OUT);
    CHECK_EQ(swarm_step_cancel(f.sw, only), SWARM_OK);
    CHECK_EQ(swarm_sim_drive(f.sw, NULL), SWARM_OK);
    swarm_http_stats_get(f.http, &f.stats);
    CHECK_EQ(f.stats.cancelled, 1);
    CHECK_EQ(server.closed, 1);
    CHECK_EQ(server.seen, 1);
    end(&f);
}

/* ---- The gate ------------------------------------------------------------------------------ */

static void throttles_once(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)s, (void)now;
    link->reply.bytes = number == 0 ? ERROR_REPLY("429", "Retry-After: 2\r\n") : ok_reply;
}

TEST(a_429_closes_the_endpoint_and_costs_no_attempt) {
    struct fixture f;

    begin(&f, &PLAIN, 8, throttles_once);
    step(&f, 1);
    finish(&f);
    CHECK_EQ(f.report.ok, 1);
    CHECK_EQ(f.report.retries, 0);
    CHECK(server.seen_ns[1] >= (uint64_t)2 * SECOND);
    CHECK(server.seen_ns[1] <= (uint64_t)2 * SECOND + SECOND / 2);
    CHECK_EQ(f.stats.closures, 1);
    end(&f);
}

#define RATE 50u /* requests a second that the server allows; a second's worth can be saved up */
#define MILLION 1000000u

static void bucket(struct server *s, struct link *link, uint32_t number, uint64_t now) {
    (void)number;
    s->tokens += (now - s->filled_ns) * RATE / 1000;
    s->tokens = s->tokens < (uint64_t)RATE * MILLION ? s->tokens : (uint64_t)RATE * MILLION;
    s->filled_ns = now - now % 1000;
    link->reply.delay_ns = SECOND / 20;
    if (s->tokens >= MILLION) {
        s->tokens -= MILLION;
        s->served++;
    } else {
        link->reply.bytes = ERROR_REPLY("429", "Retry-After: 1\r\n");
    }
}

static void storm(struct fixture *f, uint32_t steps) {
    swarm_http_spec spec = {.inflight_max = 300, .seed = test_seed, .text_max = 4096};

    begin(f, &spec, 300, bucket);
    server.tokens = (uint64_t)RATE * MILLION;
    for (uint32_t i = 0; i < steps; i++) {
        step(f, 1);
    }
    finish(f);
    CHECK_EQ(f->report.ok, steps);
    CHECK_EQ(f->report.retries, 0);
}

TEST(a_storm_of_300_agents_uses_the_rate_and_never_comes_back_as_a_burst) {
    struct fixture f;
    uint32_t steps = 4000, burst = 0;
    uint64_t allowed, hash[2];

    storm(&f, steps);
    allowed = RATE + f.report.end_ns / (SECOND / RATE);
    for (uint32_t i = 0, first = 0; i < server.seen; i++) {
        while (server.seen_ns[i] - server.seen_ns[first] > SECOND / 10) {
            first++;
        }
        if (server.seen_ns[i] > SECOND && i - first + 1 > burst) {
            burst = i - first + 1; /* in a tenth of a second, after the beginning */
        }
    }
    printf("# %u requests for %u answers, %" PRIu64
           " allowed, most in 100 ms: %u, closures %" PRIu64 "\n",
           server.seen, steps, allowed, burst, f.stats.closures);
    CHECK((uint64_t)steps * 100 >= allowed * 95);
    CHECK(burst <= 3 * RATE / 10);
    memcpy(hash, f.report.hash, sizeof hash);
    end(&f);
    storm(&f, steps);
    CHECK(memcmp(hash, f.report.hash, sizeof hash) == 0);
    end(&f);
}

/* ---- Wrong use ----------------------------------------------------------------------------- */

TEST(absurd_specs_are_refused) {
    static uint64_t memory[1024];
    swarm_http_spec spec = {
        .size = sizeof spec, .host = "h", .model = "m", .transport = &TRANSPORT};
    swarm_http_spec bad = spec;

    CHECK(swarm_http_size(&spec) != 0);
    CHECK(swarm_http_size(NULL) == 0);
    CHECK(swarm_http_new(&spec, memory, sizeof memory) == NULL);
    CHECK(swarm_http_new(&spec, NULL, 1u << 30) == NULL);
    CHECK(swarm_http_backend(NULL) == NULL);
    bad.size = 1;
    CHECK(swarm_http_size(&bad) == 0);
    bad = spec;
    bad.host = NULL;
    CHECK(swarm_http_size(&bad) == 0);
    bad = spec;
    bad.model = NULL;
    CHECK(swarm_http_size(&bad) == 0);
    bad = spec;
    bad.transport = NULL;
    CHECK(swarm_http_size(&bad) == 0);
    bad = spec;
    bad.text_max = 100;
    CHECK(swarm_http_size(&bad) == 0);
    bad = spec;
    bad.dialect = 2;
    CHECK(swarm_http_size(&bad) == 0);
    CHECK_EQ(swarm_http_stats_get(NULL, NULL), SWARM_E_INVALID);
}

TEST_MAIN()

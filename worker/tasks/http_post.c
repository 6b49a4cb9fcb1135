/*
 * http_post.c: libcurl's multi interface on a libuv loop.
 *
 * libcurl says which sockets it wants to hear of (on_socket) and when it wants to be called
 * whatever happens (on_timeout); the loop calls it then (turn). It must not be called from
 * inside its own callbacks, and a user wants to begin and cancel requests from anywhere. So
 * inside of libcurl bytes are only put aside (on_body), and whoever has something is put on the
 * list `ready`; when libcurl has returned, settle hands it all out.
 *
 * The dangerous part: a request may end by any call of the user's. settle takes one
 * after the other from the front of the list, and ending a request takes it out of it.
 *
 * A name is looked up in a thread of libcurl's; who ends a request does not wait for it
 * (CURLOPT_QUICK_EXIT).
 */
#include "http_post.h"

#include "buf.h"
#include "log.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

/* Many requests wait at once, and what comes is small: so are libcurl's buffers. */
#define READ_BYTES 16384L
#define SEND_BYTES 16384L
/* What is put aside of one request until it is handed out. */
#define ASIDE_MOST_BYTES (32 << 10)
/* Connections that are kept open beside those in use. */
#define IDLE_MOST 16

struct http {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer; /* libcurl's */
    long posts;
    struct http_post *first, *last; /* ready: have something to hand out */
    bool paused, settling;
};

struct http_post {
    struct http *http;
    CURL *easy;
    struct curl_slist *fields;
    char *body, *key;
    struct http_request request; /* its texts are gone, but for the times and the calls */
    uv_timer_t timer;            /* first byte, silence */
    uint64_t heard_ms;           /* by the loop's clock */
    int64_t wait_ms;             /* from heard_ms on */
    struct buf aside;
    bool spoke, expects_end;
    bool held;  /* libcurl was told that there is no room */
    bool ended; /* nothing more comes: result */
    bool is_ready;
    struct http_post *before, *behind; /* in ready */
    struct http_result result;
    char words[CURL_ERROR_SIZE];
};

/* A socket of libcurl's. */
struct wire {
    struct http *http;
    curl_socket_t fd;
    uv_poll_t poll;
};

/* ---- who has something to hand out ---- */

static void put_ready(struct http_post *p)
{
    struct http *h = p->http;
    if (p->is_ready)
        return;
    p->is_ready = true;
    p->behind = NULL;
    p->before = h->last;
    *(p->before ? &p->before->behind : &h->first) = p;
    h->last = p;
}

static void take_ready(struct http_post *p)
{
    struct http *h = p->http;
    if (!p->is_ready)
        return;
    p->is_ready = false;
    *(p->before ? &p->before->behind : &h->first) = p->behind;
    *(p->behind ? &p->behind->before : &h->last) = p->before;
}

/* ---- the end of one ---- */

static void on_post_closed(uv_handle_t *timer)
{
    struct http_post *p = timer->data;
    buf_clear(&p->aside);
    curl_slist_free_all(p->fields);
    free(p->body);
    free(p->key);
    free(p);
}

/* The connections in use, and a few more. (libcurl closes the idle ones beyond that.) */
static void count_post(struct http *h, int more)
{
    h->posts += more;
    CURLMcode code = curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, h->posts + IDLE_MOST);
    if (code != CURLM_OK)
        log_error("curl_failed", LOG_S("words", curl_multi_strerror(code)));
}

static void end_post(struct http_post *p)
{
    CURLMcode code = curl_multi_remove_handle(p->http->multi, p->easy);
    if (code != CURLM_OK)
        log_error("curl_failed", LOG_S("words", curl_multi_strerror(code)));
    curl_easy_cleanup(p->easy);
    take_ready(p);
    count_post(p->http, -1);
    uv_close((uv_handle_t *)&p->timer, on_post_closed);
}

/* ---- what libcurl tells: nothing here calls it, or the user ---- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_post *p = arg;
    size_t length = size * count;
    put_ready(p);
    if (!p->expects_end)
        p->heard_ms = uv_now(p->http->loop);
    p->held = p->http->paused || p->aside.length >= ASIDE_MOST_BYTES;
    if (p->held)
        return CURL_WRITEFUNC_PAUSE;
    buf_add(&p->aside, data, length);
    return buf_ok(&p->aside) ? length : 0;
}

static enum http_end end_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_ENDED;
    case CURLE_OPERATION_TIMEDOUT: /* only connecting has a time limit of libcurl's */
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return HTTP_UNREACHABLE;
    default:
        return HTTP_CUT;
    }
}

static void read_answer(struct http_post *p)
{
    long status = 0;
    curl_off_t after_s = 0;
    if (curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        p->result.status = (int)status;
    p->result.retry_after_ms = -1;
    if (curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER, &after_s) == CURLE_OK && after_s > 0)
        p->result.retry_after_ms = min_i64(after_s, INT64_MAX / 1000) * 1000;
}

/* libcurl does not put a header into its words; that it never will is not promised. */
static const char *words_of(const struct http_post *p, CURLcode code)
{
    if (code == CURLE_OK)
        return "";
    if (!*p->words || (*p->key && strstr(p->words, p->key)))
        return curl_easy_strerror(code);
    return p->words;
}

static void take_ends(struct http *h)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(h->multi, &left))) {
        struct http_post *p = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&p) != CURLE_OK)
            continue;
        p->ended = true;
        p->result.end = end_of(code);
        p->result.words = words_of(p, code);
        put_ready(p);
    }
}

/* ---- handing out ---- */

static void finish(struct http_post *p)
{
    struct http_request request = p->request;
    read_answer(p);
    struct http_result result = p->result;
    char words[CURL_ERROR_SIZE];
    size_t length = min_size(strlen(result.words), sizeof words - 1);
    memcpy(words, result.words, length);
    words[length] = '\0';
    result.words = words;
    end_post(p);
    request.on_end(request.arg, &result);
}

/* A piece that came only notes its time; so this may come too early. */
static void on_silence(uv_timer_t *timer)
{
    struct http_post *p = timer->data;
    uint64_t now_ms = uv_now(p->http->loop), due_ms = p->heard_ms + (uint64_t)p->wait_ms;
    if (p->http->paused || p->is_ready) {
        p->heard_ms = now_ms;
    } else if (due_ms <= now_ms) {
        p->result.end = HTTP_SILENT;
        p->result.words = p->spoke ? "silent in the middle of its answer" : "no answer";
        finish(p);
        return;
    }
    due_ms = p->heard_ms + (uint64_t)p->wait_ms;
    uv_timer_start(timer, on_silence, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void expect(struct http_post *p, int64_t wait_ms)
{
    p->wait_ms = wait_ms;
    p->heard_ms = uv_now(p->http->loop);
    uv_timer_start(&p->timer, on_silence, (uint64_t)wait_ms, 0);
}

/* libcurl may call on_body from in here. */
static void let_go_on(struct http_post *p)
{
    p->held = false;
    CURLcode code = curl_easy_pause(p->easy, CURLPAUSE_CONT);
    if (code == CURLE_OK)
        return;
    p->ended = true;
    p->result.end = HTTP_CUT;
    p->result.words = curl_easy_strerror(code);
    put_ready(p);
}

static void hand_out(struct http_post *p)
{
    long status = 0;
    struct buf data = p->aside;
    p->aside = (struct buf){0};
    take_ready(p);
    if (data.length > 0) {
        if (!p->spoke)
            expect(p, p->request.silence_timeout_ms);
        p->spoke = true;
        bool more = curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
                    p->request.on_data(p->request.arg, (int)status, data.data, data.length);
        buf_clear(&data);
        if (!more) {
            end_post(p);
            return;
        }
    }
    buf_clear(&data);
    if (p->held)
        let_go_on(p);
    if (!p->ended)
        return;
    if (p->aside.length > 0)
        put_ready(p);
    else
        finish(p);
}

static void settle(struct http *h)
{
    take_ends(h);
    if (h->settling)
        return;
    h->settling = true;
    while (h->first && !h->paused)
        hand_out(h->first);
    h->settling = false;
}

/* ---- the loop ---- */

static void turn(struct http *h, curl_socket_t fd, int events)
{
    int running;
    CURLMcode code = curl_multi_socket_action(h->multi, fd, events, &running);
    if (code != CURLM_OK)
        log_error("curl_failed", LOG_S("words", curl_multi_strerror(code)));
    settle(h);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct wire *wire = poll->data;
    int mask = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        mask |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        mask |= CURL_CSELECT_OUT;
    turn(wire->http, wire->fd, mask);
}

static void on_wire_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct wire *add_wire(struct http *h, curl_socket_t fd)
{
    struct wire *wire = calloc(1, sizeof *wire);
    if (!wire)
        return NULL;
    wire->http = h;
    wire->fd = fd;
    wire->poll.data = wire;
    if (uv_poll_init_socket(h->loop, &wire->poll, fd) == 0 &&
        curl_multi_assign(h->multi, fd, wire) == CURLM_OK)
        return wire;
    free(wire);
    return NULL;
}

/* -1: libcurl fails every request from then on, and takes no more (CURLM_ABORTED_BY_CALLBACK). */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct http *h = arg;
    struct wire *wire = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (wire)
            uv_close((uv_handle_t *)&wire->poll, on_wire_closed);
        return 0;
    }
    if (!wire && !(wire = add_wire(h, fd)))
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&wire->poll, events, on_poll) == 0 ? 0 : -1;
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long wait_ms, void *arg)
{
    struct http *h = arg;
    (void)multi;
    if (wait_ms < 0)
        return uv_timer_stop(&h->timer);
    return uv_timer_start(&h->timer, on_timer, (uint64_t)wait_ms, 0);
}

/* ---- the user's side ---- */

static bool add_field(struct http_post *p, const char *field)
{
    struct curl_slist *longer = curl_slist_append(p->fields, field);
    if (longer)
        p->fields = longer;
    return longer;
}

/* Without the field Expect a large body would wait a second for a leave to be sent. */
static bool set_fields(struct http_post *p)
{
    struct buf key = {0};
    buf_printf(&key, "Authorization: Bearer %s", p->key);
    bool good = buf_ok(&key) && add_field(p, "Content-Type: application/json") &&
                add_field(p, "Accept: text/event-stream, application/x-ndjson, application/json") &&
                add_field(p, "Expect:") && (!*p->key || add_field(p, buf_text(&key)));
    buf_clear(&key);
    return good && curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->fields) == CURLE_OK;
}

static bool set_options(struct http_post *p, const struct http_request *request)
{
#define SET(option, value) (curl_easy_setopt(p->easy, CURLOPT_##option, (value)) == CURLE_OK)
    return SET(URL, request->url) && SET(POST, 1L) && SET(POSTFIELDS, p->body) &&
           SET(POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length) &&
           SET(PROTOCOLS_STR, "http,https") && SET(FOLLOWLOCATION, 0L) &&
           SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) && SET(NOSIGNAL, 1L) &&
           SET(QUICK_EXIT, 1L) && SET(CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms) &&
           SET(BUFFERSIZE, READ_BYTES) && SET(UPLOAD_BUFFERSIZE, SEND_BYTES) &&
           SET(USERAGENT, "leat/" LEAT_VERSION) && SET(ERRORBUFFER, p->words) &&
           SET(WRITEFUNCTION, on_body) && SET(WRITEDATA, p) && SET(PRIVATE, p);
#undef SET
}

static bool fill(struct http_post *p, const struct http_request *request)
{
    p->easy = curl_easy_init();
    p->body = malloc(request->body_length + 1);
    p->key = strdup(request->key);
    if (!p->easy || !p->body || !p->key)
        return false;
    memcpy(p->body, request->body, request->body_length);
    return set_options(p, request) && set_fields(p);
}

struct http_post *http_post_new(struct http *h, const struct http_request *request)
{
    struct http_post *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->http = h;
    p->request = *request;
    p->request.url = p->request.key = p->request.body = NULL;
    p->result.words = "";
    if (!fill(p, request) || curl_multi_add_handle(h->multi, p->easy) != CURLM_OK) {
        curl_easy_cleanup(p->easy);
        curl_slist_free_all(p->fields);
        free(p->body);
        free(p->key);
        free(p);
        return NULL;
    }
    count_post(h, 1);
    uv_update_time(h->loop);
    uv_timer_init(h->loop, &p->timer);
    p->timer.data = p;
    expect(p, request->first_timeout_ms);
    return p;
}

void http_expect_end(struct http_post *p, int64_t wait_ms)
{
    p->expects_end = true;
    expect(p, wait_ms);
}

void http_cancel(struct http_post *p)
{
    end_post(p);
}

void http_pause(struct http *h)
{
    h->paused = true;
}

void http_resume(struct http *h)
{
    h->paused = false;
    settle(h);
}

static void on_http_closed(uv_handle_t *timer)
{
    free(timer->data);
    curl_global_cleanup();
}

struct http *http_new(uv_loop_t *loop)
{
    struct http *h = calloc(1, sizeof *h);
    if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        return NULL;
    }
    h->loop = loop;
    h->multi = curl_multi_init();
    if (!h->multi || curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout) != CURLM_OK ||
        curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) != CURLM_OK) {
        curl_multi_cleanup(h->multi);
        free(h);
        curl_global_cleanup();
        return NULL;
    }
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    curl_multi_cleanup(h->multi);
    uv_close((uv_handle_t *)&h->timer, on_http_closed);
}

/*
 * rig.c: each step's callback copies the result into an owned struct and sets
 * `answered`; the caller turns the loop until then.
 */
#include "rig.h"

#include "buf.h"
#include "log.h"

/* ---- the rig ---- */

static void set_standards(struct rig *rig)
{
    struct buf error = {0};
    if (!settings_load(&rig->settings, (enum settings_user)0, &error))
        fail_msg("%s", buf_text(&error));
    rig->settings.redis_socket = redis_server_socket(rig->server);
}

void rig_stop_time(struct rig *rig)
{
    struct settings *settings = &rig->settings;
    settings->lease_ms = settings->stream_ttl_ms = settings->job_deadline_ms = DAY_MS;
    settings->dead_retention_ms = DAY_MS;
    settings->retry_backoff_ms = settings->retry_backoff_max_ms = DAY_MS;
}

void rig_await_up(struct rig *rig, struct redis *r)
{
    uint64_t end_ns = uv_hrtime() + (uint64_t)AWAIT_MS * 1000000;
    while (!redis_is_up(r) && uv_hrtime() < end_ns)
        uv_run(&rig->loop, UV_RUN_ONCE);
    assert_true(redis_is_up(r));
}

struct redis *rig_connect(struct rig *rig)
{
    struct redis_options options = {
        .loop = &rig->loop, .settings = &rig->settings, .name = "test", .scripts = true};
    struct redis *r = redis_new(&options);
    assert_non_null(r);
    rig_await_up(rig, r);
    return r;
}

int rig_up(void **state)
{
    log_open("test", LOG_LEVEL_NONE);
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->server = redis_server_new(&(struct redis_server_options){0});
    redis_server_up(rig->server);
    uv_loop_init(&rig->loop);
    set_standards(rig);
    rig->redis = rig_connect(rig);
    rig->queue = (struct queue){.redis = rig->redis, .settings = &rig->settings};
    *state = rig;
    return 0;
}

int rig_down(void **state)
{
    struct rig *rig = *state;
    redis_free(rig->redis);
    await_loop_end(&rig->loop);
    redis_server_free(rig->server);
    free(rig);
    return 0;
}

int rig_fresh(void **state)
{
    struct rig *rig = *state;
    set_standards(rig);
    rig_await_up(rig, rig->redis);
    assert_cli(rig, "OK", "CONFIG SET maxmemory 0");
    assert_cli(rig, "OK", "FLUSHALL");
    return 0;
}

/* ---- raw commands ---- */

const char *cli(struct rig *rig, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = redis_cli_textv(&rig->loop, rig->redis, format, args);
    va_end(args);
    return text;
}

int64_t cli_number(struct rig *rig, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = redis_cli_textv(&rig->loop, rig->redis, format, args);
    va_end(args);
    char *end;
    int64_t number = strtoll(text, &end, 10);
    if (end == text || *end)
        fail_msg("%s: answer \"%s\" is not a number", format, text);
    return number;
}

int64_t rig_now(struct rig *rig)
{
    int64_t seconds, us;
    assert_int_equal(sscanf(cli(rig, "TIME"), "%" SCNd64 " %" SCNd64, &seconds, &us), 2);
    return seconds * 1000 + us / 1000;
}

void assert_about(int64_t value, int64_t expected, int64_t slack)
{
    if (value > expected || value < expected - slack)
        fail_msg("%" PRId64 " is not in %" PRId64 " … %" PRId64, value, expected - slack, expected);
}

int64_t rig_ttl(struct rig *rig, const char *format, ...)
{
    char key[512];
    va_list args;
    va_start(args, format);
    vsnprintf(key, sizeof key, format, args);
    va_end(args);
    return cli_number(rig, "PTTL %s", key);
}

const char *rig_stream(struct rig *rig, const char *chat)
{
    return cli(rig, "XRANGE stream:f:%s - +", chat);
}

static const char dump_script[] =
    "local keys, out = redis.call('KEYS', '*'), {} table.sort(keys) "
    "for _, k in ipairs(keys) do local t, v = redis.call('TYPE', k).ok, nil "
    "if t == 'string' then v = redis.call('GET', k) "
    "elseif t == 'list' then v = redis.call('LRANGE', k, 0, -1) "
    "elseif t == 'zset' then v = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') "
    "elseif t == 'stream' then v = redis.call('XRANGE', k, '-', '+') "
    "elseif t == 'hash' then local f, s = redis.call('HGETALL', k), {} "
    "for i = 1, #f, 2 do s[#s + 1] = f[i] .. '=' .. f[i + 1] end table.sort(s) v = s end "
    "out[#out + 1] = k .. ' ' .. cjson.encode(v) end return table.concat(out, '\\n')";

struct dump {
    char *text;
    bool answered;
};

static void on_dump(void *arg, enum status status, const struct redisReply *reply)
{
    struct dump *dump = arg;
    size_t length;
    (void)status;
    dump->text = strdup(redis_reply_text(reply, &length));
    dump->answered = true;
}

char *rig_dump(struct rig *rig)
{
    struct dump dump = {0};
    const char *argv[] = {"EVAL", dump_script, "0"};
    size_t lengths[] = {4, strlen(dump_script), 1};
    assert_int_equal(redis_send(rig->redis, 3, argv, lengths, on_dump, &dump), STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &dump.answered, AWAIT_MS));
    return dump.text;
}

/* ---- the steps ---- */

/* What a callback fills in; out is the result's own type. */
struct answer {
    void *out;
    bool answered;
};

/* Turns the loop until the step that `sent` tells of has answered. */
static enum status finish_step(struct rig *rig, enum status sent, struct answer *answer)
{
    if (sent == STATUS_OK)
        assert_true(await(&rig->loop, await_flag, &answer->answered, AWAIT_MS));
    return sent;
}

struct enqueue question(const char *chat)
{
    static char ids[256][JOB_ID_SIZE];
    static size_t turn;
    char *id = ids[turn++ % COUNT_OF(ids)];
    id_new(id);
    return (struct enqueue){.id = id,
                            .type = "generate_messages",
                            .feature_id = "f",
                            .chat_id = chat,
                            .body_hash = "",
                            .key = ""};
}

struct enqueue question_with(const char *chat, const char *body)
{
    struct enqueue in = question(chat);
    in.payload = in.body_hash = body;
    in.payload_length = strlen(body);
    return in;
}

static void on_enqueue(void *arg, enum status status, const struct enqueue_result *result)
{
    struct answer *answer = arg;
    struct enqueued *out = answer->out;
    answer->answered = true;
    out->status = status;
    if (status != STATUS_OK)
        return;
    out->outcome = result->outcome;
    out->state = result->state;
    out->view = result->view;
    snprintf(out->job, sizeof out->job, "%s", result->job);
}

struct enqueued rig_enqueue(struct rig *rig, const struct enqueue *in)
{
    struct enqueued out = {0};
    struct answer answer = {&out, false};
    enum status sent = queue_enqueue(&rig->queue, in, on_enqueue, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

struct enqueued rig_put(struct rig *rig, const char *chat)
{
    struct enqueue in = question(chat);
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.outcome, ENQUEUE_STARTED);
    assert_string_equal(out.job, in.id);
    return out;
}

static void on_look(void *arg, enum status status, const struct chat_view *view)
{
    struct answer *answer = arg;
    answer->answered = true;
    assert_int_equal(status, STATUS_OK);
    *(struct chat_view *)answer->out = *view;
}

struct chat_view rig_look(struct rig *rig, const char *chat)
{
    struct chat_view out = {0};
    struct answer answer = {&out, false};
    enum status sent = queue_look(&rig->queue, "f", chat, on_look, &answer);
    assert_int_equal(finish_step(rig, sent, &answer), STATUS_OK);
    return out;
}

static void copy_claim(struct claim *out, const struct claimed *in)
{
    snprintf(out->id, sizeof out->id, "%s", in->id);
    snprintf(out->owner, sizeof out->owner, "%s", in->owner);
    snprintf(out->type, sizeof out->type, "%s", in->type);
    snprintf(out->feature, sizeof out->feature, "%s", in->feature_id);
    snprintf(out->chat, sizeof out->chat, "%s", in->chat_id);
    snprintf(out->payload, sizeof out->payload, "%.*s", (int)in->payload_length, in->payload);
    out->told = *in;
    out->told.id = out->told.owner = out->told.type = NULL;
    out->told.feature_id = out->told.chat_id = out->told.payload = NULL;
}

static void on_claim(void *arg, enum status status, const struct claim_result *result)
{
    struct answer *answer = arg;
    struct claims *out = answer->out;
    answer->answered = true;
    out->status = status;
    out->more = result->more;
    out->passed = result->passed;
    out->due_in_ms = result->due_in_ms;
    out->count = result->count;
    for (size_t i = 0; i < result->count && i < CLAIMS_MOST; i++)
        copy_claim(&out->jobs[i], &result->jobs[i]);
}

struct claims rig_claim(struct rig *rig, const char *worker, size_t most)
{
    const struct claimant who = {
        worker, &rig->settings.worker_queues, 1, " generate_messages ", most, most, 0};
    return rig_claim_as(rig, &who);
}

struct claims rig_claim_as(struct rig *rig, const struct claimant *who)
{
    struct claims out = {0};
    struct answer answer = {&out, false};
    enum status sent = queue_claim(&rig->queue, who, on_claim, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    assert_in_range(out.count, 0, CLAIMS_MOST);
    return out;
}

struct claim rig_take(struct rig *rig, const char *worker)
{
    struct claims claims = rig_claim(rig, worker, 1);
    assert_int_equal(claims.status, STATUS_OK);
    assert_int_equal(claims.count, 1);
    return claims.jobs[0];
}

struct claim rig_run(struct rig *rig, const char *chat)
{
    struct enqueued put = rig_put(rig, chat);
    struct claim c = rig_take(rig, "w1");
    assert_string_equal(c.id, put.job);
    return c;
}

struct holding hold(const struct claim *c)
{
    return (struct holding){c->id, c->owner, c->feature, c->chat, c->told.attempt};
}

static void on_append(void *arg, enum status status, const struct append_result *result)
{
    struct answer *answer = arg;
    struct appended *out = answer->out;
    answer->answered = true;
    *out = (struct appended){status == STATUS_OK ? result->status : status, result->outcome,
                             result->last};
}

struct appended rig_append_these(struct rig *rig, const struct claim *c, uint64_t first,
                                 const struct message *messages, size_t count)
{
    struct appended out = {0};
    struct answer answer = {&out, false};
    struct holding holding = hold(c);
    struct append append = {first, messages, count};
    enum status sent = queue_append(&rig->queue, &holding, &append, 1, on_append, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

struct appended rig_append(struct rig *rig, const struct claim *c, uint64_t first, size_t count)
{
    char texts[64][24];
    struct message messages[64];
    assert_in_range(count, 0, 64);
    for (size_t i = 0; i < count; i++) {
        int length = snprintf(texts[i], sizeof texts[i], "m%" PRIu64, first + i);
        messages[i] = (struct message){texts[i], (size_t)length};
    }
    return rig_append_these(rig, c, first, messages, count);
}

static void on_beat(void *arg, enum status status, const struct heartbeat_result *result)
{
    struct answer *answer = arg;
    struct beaten *out = answer->out;
    answer->answered = true;
    *out = (struct beaten){.status = status, .count = result->count, .returned = result->returned};
    for (size_t i = 0; i < result->count && i < CLAIMS_MOST; i++)
        out->held[i] = result->held[i];
}

long rig_in_hand(struct rig *rig, const char *worker)
{
    return (long)cli_number(rig,
                            "EVAL 'local n = 0; for _, field in "
                            "ipairs(redis.call(\"HKEYS\", KEYS[1])) do "
                            "if field:sub(1, 4) == \"job:\" then n = n + 1 end end; return n' "
                            "1 worker:%s",
                            worker);
}

struct beaten rig_beat_as(struct rig *rig, const struct heartbeat *in)
{
    struct beaten out = {0};
    struct answer answer = {&out, false};
    enum status sent = queue_heartbeat(&rig->queue, in, on_beat, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

struct beaten rig_beat(struct rig *rig, const char *worker, const struct claim *jobs, size_t count,
                       bool complete)
{
    struct holding holdings[CLAIMS_MOST];
    for (size_t i = 0; i < count; i++)
        holdings[i] = hold(&jobs[i]);
    const struct heartbeat in = {.worker = worker,
                                 .jobs = holdings,
                                 .count = count,
                                 .in_hand = count,
                                 .capacity = 10,
                                 .queues = "default",
                                 .types = " generate_messages ",
                                 .state = "serving",
                                 .since_ms = 1234,
                                 .complete = complete};
    return rig_beat_as(rig, &in);
}

static void on_finish(void *arg, enum status status, const struct finish_result *result)
{
    struct answer *answer = arg;
    answer->answered = true;
    *(struct finished *)answer->out =
        (struct finished){status == STATUS_OK ? result->status : status, *result};
}

struct finish_policy rig_policy(const struct rig *rig)
{
    const struct settings *s = &rig->settings;
    return (struct finish_policy){s->job_max_attempts, s->retry_backoff_ms,
                                  s->retry_backoff_max_ms};
}

struct finished rig_finish(struct rig *rig, const struct claim *c, const struct finish *in)
{
    struct finished out = {0};
    struct answer answer = {&out, false};
    struct holding holding = hold(c);
    struct finish with_policy = *in;
    if (in->policy.max_attempts == 0)
        with_policy.policy = rig_policy(rig);
    enum status sent = queue_finish(&rig->queue, &holding, &with_policy, 1, on_finish, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

struct finished rig_done(struct rig *rig, const struct claim *c, uint64_t last)
{
    return rig_finish(
        rig, c, &(struct finish){.how = FINISH_DONE, .last = last, .reason = "", .detail = ""});
}

struct finished rig_failed(struct rig *rig, const struct claim *c)
{
    return rig_finish(
        rig, c,
        &(struct finish){
            .how = FINISH_FAILED, .reason = "exit", .detail = "exit status 1", .retry = true});
}

struct finished rig_died(struct rig *rig, const struct claim *c)
{
    return rig_finish(
        rig, c,
        &(struct finish){.how = FINISH_DIED, .reason = "signal", .detail = "killed by signal 9"});
}

static void on_hand_back(void *arg, enum status status, bool was_ours)
{
    struct answer *answer = arg;
    answer->answered = true;
    *(struct handed *)answer->out = (struct handed){status, was_ours};
}

struct handed rig_hand_back(struct rig *rig, const struct claim *c)
{
    return rig_hand_back_as(rig, c, NULL);
}

struct handed rig_hand_back_as(struct rig *rig, const struct claim *c, const struct hand_back *in)
{
    struct handed out = {0};
    struct answer answer = {&out, false};
    struct holding holding = hold(c);
    enum status sent = queue_hand_back(&rig->queue, &holding, in, on_hand_back, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

struct handed rig_usage(struct rig *rig, const struct claim *c, const char *usage)
{
    struct handed out = {0};
    struct answer answer = {&out, false};
    struct holding holding = hold(c);
    enum status sent = queue_usage(&rig->queue, &holding, usage, on_hand_back, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

static void on_cancel(void *arg, enum status status, const struct cancel_result *result)
{
    struct answer *answer = arg;
    struct cancelled *out = answer->out;
    answer->answered = true;
    *out = (struct cancelled){.status = status, .result = *result};
    snprintf(out->job, sizeof out->job, "%s", result->job ? result->job : "");
    out->result.job = NULL;
}

struct cancelled rig_cancel(struct rig *rig, const char *chat, const char *job)
{
    struct cancelled out = {0};
    struct answer answer = {&out, false};
    enum status sent = queue_cancel(&rig->queue, "f", chat, job, on_cancel, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

static void on_reap(void *arg, enum status status, const struct reap_result *result)
{
    struct answer *answer = arg;
    answer->answered = true;
    *(struct reaped *)answer->out = (struct reaped){status, *result};
}

struct reaped rig_reap(struct rig *rig)
{
    struct reaped out = {0};
    struct answer answer = {&out, false};
    enum status sent = queue_reap(&rig->queue, NULL, 0, 0, on_reap, &answer);
    if (finish_step(rig, sent, &answer) != STATUS_OK)
        out.status = sent;
    return out;
}

/* ---- what answers with a reply ---- */

struct rig_ask {
    enum status status;
    const char *text;
    bool answered;
};

static struct rig_ask asked;

struct rig_ask *rig_ask(void)
{
    asked = (struct rig_ask){.text = ""};
    return &asked;
}

void rig_on_reply(void *arg, enum status status, const struct redisReply *reply)
{
    struct rig_ask *ask = arg;
    ask->status = status;
    ask->text = reply ? redis_cli_render(reply) : "(lost)";
    ask->answered = true;
}

const char *rig_answer(struct rig *rig, enum status sent)
{
    assert_int_equal(sent, STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &asked.answered, AWAIT_MS));
    return asked.text;
}

const char *rig_field(const char *record, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = record; (at = strstr(at, name)); at += length) {
        bool whole = (at == record || at[-1] == ' ' || at[-1] == '(') && at[length] == ' ';
        if (whole)
            return text_of("%.*s", (int)strcspn(at + length + 1, " )"), at + length + 1);
    }
    return "";
}

struct enqueued rig_put_with(struct rig *rig, const char *chat, const struct job_options *options)
{
    struct enqueue in = question(chat);
    in.options = options;
    struct enqueued out = rig_enqueue(rig, &in);
    assert_int_equal(out.status, STATUS_OK);
    assert_int_equal(out.outcome, ENQUEUE_STARTED);
    return out;
}

static void on_left(void *arg, enum status status, const struct redisReply *reply)
{
    struct answer *answer = arg;
    (void)reply;
    answer->answered = true;
    *(enum status *)answer->out = status;
}

enum status rig_leave(struct rig *rig, const char *worker)
{
    enum status out = STATUS_OK;
    struct answer answer = {&out, false};
    enum status sent = queue_leave(&rig->queue, worker, on_left, &answer);
    finish_step(rig, sent, &answer);
    return sent == STATUS_OK ? out : sent;
}

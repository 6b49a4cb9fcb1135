/*
 * actors.c: each move says what must come of it, makes the step, and compares. The table `kinds` at
 * the end is the list of all moves.
 */
#include "actors.h"

#define MESSAGES_MOST 2 /* of an attempt */
#define TRIES 2
#define FAR INT64_C(9000000000000)
#define CHAT "c"

static const char *const worker_names[ACTORS_WORKERS] = {"w1", "w2"};

/* ---- what they know ---- */

void expect(struct step *s, bool holds, const char *format, ...)
{
    char line[512];
    va_list args;
    if (holds)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_printf(&s->wrong, "%s\n", line);
}

const char *job_id(int index)
{
    return text_of("00000000-0000-4000-8000-%012d", index);
}

const char *owner_text(int worker, uint64_t attempt)
{
    return text_of("%s:%" PRIu64, worker_names[worker], attempt);
}

const char *message_text(int worker, uint64_t attempt, uint64_t n)
{
    return text_of("m%" PRIu64 " by %s", n, owner_text(worker, attempt));
}

static struct job *newest(struct memory *m)
{
    return m->count ? &m->jobs[m->count - 1] : NULL;
}

const struct job *memory_newest(const struct memory *m)
{
    return m->count ? &m->jobs[m->count - 1] : NULL;
}

static bool newest_is(const struct memory *m, enum job_state state)
{
    return m->count && memory_newest(m)->state == state;
}

bool memory_lives(const struct memory *m)
{
    return m->count && job_is_alive(memory_newest(m)->state);
}

/* The chat's job is in nobody's hands any more, or was in nobody's. */
static void becomes(struct memory *m, enum job_state state)
{
    newest(m)->state = state;
    m->holder = 0;
    m->over = false;
}

static void suffers_death(struct memory *m)
{
    becomes(m, ++newest(m)->deaths >= TRIES ? JOB_DEAD : JOB_WAITING);
}

static bool holds(const struct memory *m, const struct grip *grip)
{
    return m->holder != 0 && m->holder == grip->attempt;
}

static struct claim claim_of(int worker, const struct grip *grip)
{
    struct claim c = {.feature = "f", .chat = CHAT, .told.attempt = grip->attempt};
    snprintf(c.id, sizeof c.id, "%s", job_id(grip->job));
    snprintf(c.owner, sizeof c.owner, "%s", owner_text(worker, grip->attempt));
    return c;
}

/* ---- the moves; each answers whether its actor can make it here ---- */

enum question { PLAIN, SAME, OTHER, REPLACE, LATER };

/* A new job takes the chat; first: its A0. */
static void puts_in(struct step *s, const char *body, enum job_state state, uint64_t first)
{
    struct memory *m = &s->memory;
    if (memory_lives(m))
        becomes(m, JOB_CANCELLED);
    m->jobs[m->count++] = (struct job){.state = state, .body = body};
    m->over = m->begun = false;
    m->last = 0;
    expect(s, first > m->top, "A0 %" PRIu64 " does not rise", first);
    m->top = first;
}

static bool ask(struct step *s, int how, int unused)
{
    static const struct job_options later = {.priority = -1, .delay_ms = DAY_MS};
    struct memory *m = &s->memory;
    const struct job *job = newest(m);
    bool alive = memory_lives(m);
    (void)unused;
    if ((how == SAME && (!job || !*job->body)) || (how == REPLACE && !alive) ||
        m->count == ACTORS_JOBS)
        return false;
    const char *other = job && strcmp(job->body, "1") == 0 ? "2" : "1";
    const char *body = how == PLAIN ? "" : how == SAME ? job->body : other;
    bool joins = job && (how == PLAIN || (how == SAME && (alive || job->state == JOB_DONE)));
    bool starts = !joins && (how == REPLACE || !alive);
    struct enqueue in = *body ? question_with(CHAT, body) : question(CHAT);
    in.id = job_id(m->count);
    in.if_busy = how == REPLACE ? IF_BUSY_REPLACE : IF_BUSY_REJECT;
    in.options = how == LATER ? &later : NULL;
    struct enqueued out = rig_enqueue(s->rig, &in);
    enum enqueue_outcome outcome = joins ? ENQUEUE_JOINED : starts ? ENQUEUE_STARTED : ENQUEUE_BUSY;
    expect(s, out.status == STATUS_OK, "the step failed");
    expect(s, out.outcome == outcome, "answered %d, not %d", out.outcome, outcome);
    expect(s, strcmp(out.job, job_id(starts ? m->count : m->count - 1)) == 0, "names %s", out.job);
    s->still = !starts;
    if (starts)
        puts_in(s, body, how == LATER ? JOB_DELAYED : JOB_WAITING, out.view.first);
    return true;
}

/* The newest question once more, under the same id: its answer was lost. */
static bool ask_again(struct step *s, int unused, int unused_too)
{
    struct memory *m = &s->memory;
    (void)unused;
    (void)unused_too;
    if (!m->count)
        return false;
    const char *body = newest(m)->body;
    struct enqueue in = *body ? question_with(CHAT, body) : question(CHAT);
    in.id = job_id(m->count - 1);
    in.if_busy = IF_BUSY_REPLACE;
    struct enqueued out = rig_enqueue(s->rig, &in);
    expect(s, out.status == STATUS_OK && out.outcome == ENQUEUE_STARTED, "answered %d",
           out.outcome);
    s->still = true;
    return true;
}

struct retried {
    enum status status;
    enum retry_outcome outcome;
    char job[JOB_ID_SIZE];
    bool answered;
};

static void on_retried(void *arg, enum status status, const struct retry_result *result)
{
    struct retried *out = arg;
    out->answered = true;
    out->status = status;
    if (status != STATUS_OK)
        return;
    out->outcome = result->outcome;
    snprintf(out->job, sizeof out->job, "%s", result->job ? result->job : "");
}

/* Of the newest job, or of the one before: back is 1 or 2. */
static bool retry(struct step *s, int back, int unused)
{
    struct memory *m = &s->memory;
    int index = m->count - back, named = index;
    struct retried out = {0};
    (void)unused;
    if (index < 0 || m->count == ACTORS_JOBS)
        return false;
    struct job *job = &m->jobs[index];
    enum retry_outcome outcome = RETRY_ALIVE;
    bool starts = job->state == JOB_DEAD && !job->retried_as && !memory_lives(m);
    if (job->state == JOB_DEAD)
        outcome = starts || job->retried_as ? RETRY_STARTED : RETRY_BUSY;
    if (job->state == JOB_DEAD)
        named = starts ? m->count : job->retried_as ? job->retried_as : m->count - 1;
    assert_int_equal(queue_retry(&s->rig->queue, job_id(index), job_id(m->count), on_retried, &out),
                     STATUS_OK);
    assert_true(await(&s->rig->loop, await_flag, &out.answered, AWAIT_MS));
    expect(s, out.status == STATUS_OK, "the step failed");
    expect(s, out.outcome == outcome, "answered %d, not %d", out.outcome, outcome);
    expect(s, strcmp(out.job, job_id(named)) == 0, "names %s", out.job);
    s->still = !starts;
    if (!starts)
        return true;
    job->retried_as = m->count;
    s->retried = index + 1;
    puts_in(s, job->body, JOB_WAITING, rig_look(s->rig, CHAT).first);
    return true;
}

static void gets(struct step *s, int worker, const struct claim *c)
{
    struct memory *m = &s->memory;
    const struct job *job = newest(m);
    expect(s, strcmp(c->id, job_id(m->count - 1)) == 0, "claimed %s", c->id);
    expect(s, strcmp(c->owner, owner_text(worker, c->told.attempt)) == 0, "owner %s", c->owner);
    expect(s, c->told.attempt > m->top, "A %" PRIu64 " does not rise", c->told.attempt);
    expect(s, c->told.number == (uint64_t)(job->attempts + job->deaths + 1),
           "attempt number %" PRIu64, c->told.number);
    becomes(m, JOB_RUNNING);
    m->holder = m->top = c->told.attempt;
    m->writer = worker;
    m->begun = true;
    m->last = 0;
}

static bool take(struct step *s, int worker, int lost)
{
    struct memory *m = &s->memory;
    bool there = newest_is(m, JOB_WAITING) ? !m->over : newest_is(m, JOB_DELAYED) && m->over;
    if (lost && !there)
        return false;
    struct claims claims = rig_claim(s->rig, worker_names[worker], 1);
    expect(s, claims.status == STATUS_OK, "the step failed");
    expect(s, claims.count == there, "%zu claimed", claims.count);
    if (newest_is(m, JOB_WAITING) && m->over)
        becomes(m, JOB_EXPIRED);
    if (!there || claims.count != 1)
        return true;
    gets(s, worker, &claims.jobs[0]);
    if (lost)
        return true;
    memmove(&m->grips[worker][1], &m->grips[worker][0], (ACTORS_CLAIMS - 1) * sizeof(struct grip));
    m->grips[worker][0] = (struct grip){m->count - 1, m->holder, 0};
    return true;
}

struct answer {
    struct appended appended;
    bool answered;
};

static void on_appended(void *arg, enum status status, const struct append_result *result)
{
    struct answer *answer = arg;
    answer->answered = true;
    answer->appended = (struct appended){status == STATUS_OK ? result->status : status,
                                         result->outcome, result->last};
}

static struct appended append_one(struct rig *rig, const struct claim *c, uint64_t n,
                                  const char *text)
{
    struct answer answer = {0};
    struct holding holding = hold(c);
    struct message message = {text, strlen(text)};
    struct append append = {n, &message, 1};
    assert_int_equal(queue_append(&rig->queue, &holding, &append, 1, on_appended, &answer),
                     STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &answer.answered, AWAIT_MS));
    return answer.appended;
}

/* One more message. A worker that had no answer writes the same again. */
static bool write_on(struct step *s, int worker, int place, bool lost)
{
    struct memory *m = &s->memory;
    struct grip *grip = &m->grips[worker][place];
    uint64_t n = grip->written + 1;
    if (!grip->attempt || n > MESSAGES_MOST || (lost && (!holds(m, grip) || n <= m->last)))
        return false;
    struct claim c = claim_of(worker, grip);
    struct appended out = append_one(s->rig, &c, n, message_text(worker, grip->attempt, n));
    expect(s, out.status == STATUS_OK, "the step failed");
    if (!holds(m, grip)) {
        expect(s, out.outcome == APPEND_FENCED, "a stale worker's append was answered %d",
               out.outcome);
        s->still = true;
        return true;
    }
    s->renewed = true;
    m->last = n > m->last ? n : m->last;
    expect(s, out.outcome == APPEND_OK && out.last == m->last, "answered %d, last %" PRIu64,
           out.outcome, out.last);
    if (!lost)
        grip->written = m->last;
    return true;
}

static bool append(struct step *s, int worker, int place)
{
    return write_on(s, worker, place, false);
}

static bool append_unanswered(struct step *s, int worker, int place)
{
    return write_on(s, worker, place, true);
}

static void fails(struct step *s, bool for_good)
{
    struct memory *m = &s->memory;
    bool dead = ++newest(m)->attempts >= TRIES || for_good;
    becomes(m, dead ? JOB_DEAD : JOB_DELAYED);
    if (dead)
        return;
    /* The wait was drawn, and may have been none. */
    cli(s->rig, "ZADD queue:default:delayed XX %" PRId64 " %s", FAR, job_id(m->count - 1));
    cli(s->rig, "HSET job:%s due %" PRId64, job_id(m->count - 1), FAR);
    s->arranged = true;
}

static bool end_attempt(struct step *s, int worker, int place, enum finish_how how, bool retry)
{
    struct memory *m = &s->memory;
    const struct grip *grip = &m->grips[worker][place];
    bool held = holds(m, grip);
    /* Who had no answer to an append cannot say `done` yet. */
    if (!grip->attempt || (held && how == FINISH_DONE && grip->written != m->last))
        return false;
    struct claim c = claim_of(worker, grip);
    struct finish in = {
        .how = how,
        .last = grip->written,
        .reason = "reason",
        .detail = "detail",
        .retry = retry,
        .usage = "{}",
    };
    struct finished out = rig_finish(s->rig, &c, &in);
    expect(s, out.status == STATUS_OK, "the step failed");
    if (!held) {
        expect(s, out.result.outcome == FINISH_FENCED, "a stale worker's finish was answered %d",
               out.result.outcome);
        s->still = true;
        return true;
    }
    if (how == FINISH_DONE)
        becomes(m, JOB_DONE);
    else if (how == FINISH_DIED)
        suffers_death(m);
    else
        fails(s, !retry);
    bool ended = !memory_lives(m);
    expect(s, out.result.outcome == (ended ? FINISH_ENDED : FINISH_AGAIN), "answered %d",
           out.result.outcome);
    expect(s, out.result.state == newest(m)->state, "answered state %d", out.result.state);
    return true;
}

static bool finish_done(struct step *s, int worker, int place)
{
    return end_attempt(s, worker, place, FINISH_DONE, false);
}

static bool finish_failed(struct step *s, int worker, int place)
{
    return end_attempt(s, worker, place, FINISH_FAILED, true);
}

static bool finish_for_good(struct step *s, int worker, int place)
{
    return end_attempt(s, worker, place, FINISH_FAILED, false);
}

static bool finish_died(struct step *s, int worker, int place)
{
    return end_attempt(s, worker, place, FINISH_DIED, false);
}

static bool hand_back(struct step *s, int worker, int place)
{
    struct memory *m = &s->memory;
    const struct grip *grip = &m->grips[worker][place];
    if (!grip->attempt)
        return false;
    bool held = holds(m, grip);
    struct claim c = claim_of(worker, grip);
    const struct hand_back in = {.reason = "", .detail = "", .usage = "{}"};
    struct handed out = rig_hand_back_as(s->rig, &c, &in);
    expect(s, out.status == STATUS_OK, "the step failed");
    expect(s, out.was_ours == held, "it was the worker's: %d", out.was_ours);
    s->still = !held;
    if (held)
        becomes(m, JOB_WAITING);
    return true;
}

/* Heartbeats: naming all that the worker remembers, or nothing; and, a claim being under way, not
   complete. */
enum beat { ALL, NOTHING, INCOMPLETE };

static bool beat(struct step *s, int worker, int how)
{
    struct memory *m = &s->memory;
    struct claim named[ACTORS_CLAIMS];
    bool held[ACTORS_CLAIMS], known = false;
    size_t count = 0;
    for (int i = 0; i < ACTORS_CLAIMS && how != NOTHING; i++) {
        const struct grip *grip = &m->grips[worker][i];
        if (!grip->attempt)
            continue;
        held[count] = holds(m, grip);
        s->renewed = s->renewed || held[count];
        known = known || grip->job == m->count - 1;
        named[count++] = claim_of(worker, grip);
    }
    if (how != ALL && !m->grips[worker][0].attempt)
        return false;
    struct beaten out = rig_beat(s->rig, worker_names[worker], named, count, how != INCOMPLETE);
    bool returns = m->holder && m->writer == worker && !known && how != INCOMPLETE;
    expect(s, out.status == STATUS_OK, "the step failed");
    expect(s, out.returned == returns, "%zu returned", out.returned);
    for (size_t i = 0; i < count; i++)
        expect(s, out.held[i] == held[i], "claim %s is held: %d", named[i].owner, out.held[i]);
    if (s->renewed)
        m->over = false;
    if (returns)
        becomes(m, JOB_WAITING);
    return true;
}

/* back: 0 the chat's job, whichever; else pinned: 1 the newest, 2 the one before, … */
static bool cancel(struct step *s, int back, int unused)
{
    struct memory *m = &s->memory;
    int index = m->count - (back ? back : 1);
    (void)unused;
    if (back && index < 0)
        return false;
    bool lives = index >= 0 && job_is_alive(m->jobs[index].state);
    struct cancelled out = rig_cancel(s->rig, CHAT, back ? job_id(index) : "");
    expect(s, out.status == STATUS_OK, "the step failed");
    expect(s, out.result.found == (index >= 0), "found: %d", out.result.found);
    expect(s, out.result.was_alive == lives, "was alive: %d", out.result.was_alive);
    if (lives)
        becomes(m, JOB_CANCELLED);
    s->still = !lives;
    if (index >= 0)
        expect(s, out.result.state == m->jobs[index].state, "answered state %d", out.result.state);
    return true;
}

static const char time_script[] =
    "for _, list in ipairs({'running', 'deadlines', 'delayed'}) do "
    "local key = 'queue:default:' .. list "
    "for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZADD', key, 1, id) "
    "if list == 'deadlines' then redis.call('HSET', 'job:' .. id, 'deadline', 1) end "
    "if list == 'delayed' then redis.call('HSET', 'job:' .. id, 'due', 1) end "
    "if list == 'running' then redis.call('PEXPIRE', '" ACTORS_STREAM "', ARGV[2]) end "
    "end end if ARGV[1] == 'away' then redis.call('HSET', 'queue:default', 'reaped', 1) end";

void let_time_pass(struct rig *rig, bool nobody_reaps)
{
    const char *argv[] = {"EVAL", time_script, "0", nobody_reaps ? "away" : "",
                          text_of("%d", DAY_MS / 4)};
    size_t lengths[COUNT_OF(argv)];
    for (size_t i = 0; i < COUNT_OF(argv); i++)
        lengths[i] = strlen(argv[i]);
    assert_int_equal(redis_send(rig->redis, COUNT_OF(argv), argv, lengths, NULL, NULL), STATUS_OK);
}

static bool time_passes(struct step *s, int away, int unused)
{
    struct memory *m = &s->memory;
    (void)unused;
    /* That nobody reaps is of interest to what is leased alone. */
    if (away ? m->away || !m->holder : m->over || !memory_lives(m))
        return false;
    let_time_pass(s->rig, away);
    m->over = true;
    m->away = m->away || away;
    return true;
}

static bool reap(struct step *s, int after_time, int unused)
{
    struct memory *m = &s->memory;
    if (after_time && !time_passes(s, 0, unused))
        return false;
    bool extended = m->away, over = m->over;
    struct reaped out = rig_reap(s->rig);
    bool died = over && m->holder && !extended;
    bool expired = over && newest_is(m, JOB_WAITING), due = over && newest_is(m, JOB_DELAYED);
    expect(s, out.status == STATUS_OK, "the step failed");
    expect(s,
           out.result.died == died && out.result.expired == expired && out.result.promoted == due &&
               out.result.extended == extended,
           "answered %zu died, %zu expired, %zu promoted, extended: %d", out.result.died,
           out.result.expired, out.result.promoted, out.result.extended);
    m->away = false;
    if (died)
        suffers_death(m);
    else if (over && m->holder)
        m->over = false;
    else if (over)
        becomes(m, expired ? JOB_EXPIRED : JOB_WAITING);
    return true;
}

/* A kind of move: there is one, or one for each worker, or for each claim that one remembers. */
struct kind {
    const char *name;
    bool (*make)(struct step *s, int a, int b);
    enum { FOR_ONE, FOR_WORKER, FOR_CLAIM } whose;
    int how;
};

static const struct kind kinds[] = {
    {"ask", ask, FOR_ONE, PLAIN},
    {"ask the same again", ask, FOR_ONE, SAME},
    {"ask something else", ask, FOR_ONE, OTHER},
    {"ask something else, replace", ask, FOR_ONE, REPLACE},
    {"ask something else, for later", ask, FOR_ONE, LATER},
    {"ask once more under the same id", ask_again, FOR_ONE, 0},
    {"retry the newest job", retry, FOR_ONE, 1},
    {"retry the job before", retry, FOR_ONE, 2},
    {"claim", take, FOR_WORKER, 0},
    {"claim, answer lost", take, FOR_WORKER, 1},
    {"append", append, FOR_CLAIM, 0},
    {"append, answer lost", append_unanswered, FOR_CLAIM, 0},
    {"finish done", finish_done, FOR_CLAIM, 0},
    {"finish failed", finish_failed, FOR_CLAIM, 0},
    {"finish failed for good", finish_for_good, FOR_CLAIM, 0},
    {"finish died", finish_died, FOR_CLAIM, 0},
    {"hand back", hand_back, FOR_CLAIM, 0},
    {"heartbeat, complete", beat, FOR_WORKER, ALL},
    {"heartbeat, complete, naming nothing", beat, FOR_WORKER, NOTHING},
    {"heartbeat, not complete", beat, FOR_WORKER, INCOMPLETE},
    {"cancel", cancel, FOR_ONE, 0},
    {"cancel, pinned to the newest job", cancel, FOR_ONE, 1},
    {"cancel, pinned to the job before", cancel, FOR_ONE, 2},
    {"cancel, pinned to the second job before", cancel, FOR_ONE, 3},
    {"time is over", time_passes, FOR_ONE, 0},
    {"time is over, and nobody reaped for long", time_passes, FOR_ONE, 1},
    {"time is over, reap", reap, FOR_ONE, 1},
    {"reap", reap, FOR_ONE, 0},
};

struct move {
    const struct kind *kind;
    int a, b; /* the arguments of kind->make */
};

static struct move moves[COUNT_OF(kinds) * ACTORS_WORKERS * ACTORS_CLAIMS];

/* Makes the list of moves of the kinds, once. */
int moves_count(void)
{
    static int count;
    if (count)
        return count;
    for (const struct kind *kind = kinds; kind < kinds + COUNT_OF(kinds); kind++) {
        int workers = kind->whose == FOR_ONE ? 1 : ACTORS_WORKERS;
        int places = kind->whose == FOR_CLAIM ? ACTORS_CLAIMS : 1;
        for (int i = 0; i < workers * places; i++) {
            struct move move = {kind, i % workers, i / workers};
            if (kind->whose == FOR_ONE)
                move.a = kind->how;
            else if (kind->whose == FOR_WORKER)
                move.b = kind->how;
            moves[count++] = move;
        }
    }
    return count;
}

const char *move_name(int move)
{
    static const char *const claims[ACTORS_CLAIMS] = {"newest claim", "claim before"};
    const struct kind *kind = moves[move].kind;
    const char *who = kind->whose == FOR_ONE ? "" : worker_names[moves[move].a];
    const char *claim = kind->whose == FOR_CLAIM ? claims[moves[move].b] : "";
    return text_of("%s%s%s%s%s", kind->name, *who ? " by " : "", who, *claim ? ", its " : "",
                   claim);
}

bool move_make(struct step *s, int move)
{
    return moves[move].kind->make(s, moves[move].a, moves[move].b);
}

void actors_settings(struct rig *rig)
{
    rig_stop_time(rig);
    rig->settings.job_max_attempts = rig->settings.job_max_deaths = TRIES;
}

/* Moves a stream's entries, and where its job begins, into the future. */
static const char clock_script[] =
    "local stream, job, id = KEYS[1], KEYS[2], nil "
    "local entries = redis.call(\"XRANGE\", stream, \"-\", \"+\") "
    "local ttl = redis.call(\"PTTL\", stream) redis.call(\"DEL\", stream) "
    "for _, e in ipairs(entries) do local a, n = string.match(e[1], \"(%d+)(-%d+)\") "
    "id = string.format(\"%.0f\", a + ARGV[1]) "
    "for i = 1, #e[2], 2 do if e[2][i] == \"first\" then e[2][i + 1] = id end end "
    "redis.call(\"XADD\", stream, id .. n, unpack(e[2])) end "
    "redis.call(\"PEXPIRE\", stream, ttl) redis.call(\"HSET\", job, \"first\", id) return id";

void actors_before_the_clock_went_back(struct rig *rig, struct memory *m)
{
    struct step step = {.rig = rig, .memory = *m};
    bool made = ask(&step, PLAIN, 0) && cancel(&step, 0, 0);
    if (!made || step.wrong.length)
        fail_msg("%s", buf_text(&step.wrong));
    *m = step.memory;
    m->top = (uint64_t)cli_number(rig, "EVAL '%s' 2 %s job:%s %d", clock_script, ACTORS_STREAM,
                                  job_id(0), DAY_MS);
}

void memory_describe(const struct memory *m, struct buf *out)
{
    for (int i = 0; i < m->count; i++)
        buf_printf(out, "job%d\tactor\t-\t%d\t%d\t%d\t%d\t%s\t\n", i, m->jobs[i].state,
                   m->jobs[i].attempts, m->jobs[i].deaths, m->jobs[i].retried_as, m->jobs[i].body);
    buf_printf(out, "job\tactor\t-\t%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%d\t%d\t%d\t\n",
               m->holder, m->begun ? worker_names[m->writer] : "", m->top, m->last, m->over,
               m->away, m->begun);
    for (int i = 0; i < ACTORS_WORKERS * ACTORS_CLAIMS; i++) {
        const struct grip *grip = &m->grips[i / ACTORS_CLAIMS][i % ACTORS_CLAIMS];
        if (grip->attempt)
            buf_printf(out, "%s:%d\tactor\t-\t%d\t%" PRIu64 "\t%" PRIu64 "\t\n",
                       worker_names[i / ACTORS_CLAIMS], i % ACTORS_CLAIMS, grip->job, grip->attempt,
                       grip->written);
    }
}

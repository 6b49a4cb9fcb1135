/*
 * leat-fsck's rules: each broken by hand, alone; it alone is found, by the walk and by the single
 * look of the tests; and a repair leaves nothing.
 */
#include "fsck.h"
#include "invariants.h"

enum scene { EMPTY, WAITING, RUNNING, DELAYED, DONE, DEAD };

struct damage {
    const char
        *words; /* what is to be found, sorted, a blank between; "!": no step would repair it */
    enum scene scene;
    const char *commands; /* separated by ";". $id, $owner, $first, $attempt, $now */
};

/* A job that ended, of the chat c. */
#define OTHER_JOB                                                                           \
    "HSET job:o state done queue default priority 5 feature_id f chat_id c size 0 first 7;" \
    "PEXPIRE job:o 60000;"
#define START " type start job $id first $first attempt 1 reason '' worker w1;"
#define LINE "queue:default:5:f"

static const struct damage damages[] = {
    /* keys */
    {"!unknown_key", EMPTY, "SET job:a:b x"},
    {"!unknown_key", EMPTY, "SET queue:default:5:f:x x"},
    {"!wrong_type", EMPTY, "SET routes x"},
    {"!unreadable wrong_type", EMPTY, "SET queue:default:dead x"},
    {"key_expires", EMPTY, "ZADD workers 1 w9;PEXPIRE workers 60000"},
    {"key_expires", WAITING, "PEXPIRE " LINE " 60000"},
    {"idem_stays", EMPTY, "SET idem:f:c:k:1 'id hash'"},
    /* jobs and where they stand */
    {"!job_fields", EMPTY, "HSET job:x state waiting"},
    {"job_stays", EMPTY, "HSET job:x state odd"},
    {"job_stays", EMPTY, OTHER_JOB "PERSIST job:o"},
    {"job_stays", DONE, "PERSIST job:$id"},
    {"job_stays", DEAD, "PERSIST job:$id"},
    {"job_expires", WAITING, "PEXPIRE job:$id 60000"},
    {"job_expires", RUNNING, "PEXPIRE job:$id 60000"},
    {"running_without_owner", RUNNING, "HDEL job:$id owner;HDEL worker:w1 job:$id"},
    {"running_without_lease", RUNNING, "ZREM queue:default:running $id"},
    {"owner_without_running", WAITING, "HSET job:$id owner w1:1"},
    {"owner_without_hand", RUNNING, "HDEL worker:w1 job:$id"},
    {"hand_without_owner", RUNNING, "HSET worker:w1 job:x w1:1"},
    {"waiting_without_deadline", WAITING, "ZREM queue:default:deadlines $id"},
    {"waiting_without_deadline", WAITING,
     "ZREM queue:default:deadlines $id;HDEL job:$id deadline deadline_ms"},
    {"deadline_differs", WAITING, "HSET job:$id deadline 5"},
    {"alone_value", WAITING, "HSET job:$id alone yes"},
    {"counter_bytes delayed_without_due", DELAYED, "ZREM queue:default:delayed $id"},
    {"dead_not_listed", DEAD, "ZREM queue:default:dead $id;HSET queue:default dead_bytes 0"},
    {"listed_without_dead", DEAD, "HSET job:$id retried_as x;HDEL job:$id payload"},
    {"retried_with_payload", DEAD,
     "HSET job:$id retried_as x payload 1;ZREM queue:default:dead $id;"
     "HSET queue:default dead_bytes 0"},
    {"lease_without_running", EMPTY, "ZADD queue:default:running 1 x"},
    {"lease_without_running", WAITING, "ZADD queue:default:running 1 $id"},
    {"deadline_without_waiting", EMPTY, "ZADD queue:default:deadlines 1 x"},
    {"counter_bytes due_without_delayed", RUNNING, "ZADD queue:default:delayed 1 $id"},
    {"listed_without_dead", EMPTY, "ZADD queue:default:dead $now x"},
    {"waiting_in_no_line", WAITING, "LREM " LINE " 0 $id;LREM queue:default:5 0 f"},
    {"waiting_twice", WAITING, "RPUSH " LINE " $id"},
    {"waiting_twice", WAITING, "RPUSH " LINE " $id $id $id"},
    {"line_without_waiting", RUNNING, "RPUSH " LINE " $id;RPUSH queue:default:5 f"},
    {"line_without_waiting", WAITING, "RPUSH queue:default:4:f $id;RPUSH queue:default:4 f"},
    {"line_without_waiting", WAITING, "RPUSH " LINE " x"},
    /* turns and counters */
    {"line_without_turn", WAITING, "LREM queue:default:5 0 f"},
    {"turn_without_line", EMPTY, "RPUSH queue:default:5 f"},
    {"turn_twice", WAITING, "RPUSH queue:default:5 f f"},
    {"counter_waiting", WAITING, "HINCRBY queue:default waiting 1"},
    {"counter_out", WAITING, "HINCRBY queue:default out 3"},
    {"counter_bytes", WAITING, "HINCRBY queue:default bytes -1"},
    {"counter_bytes", DELAYED, "HINCRBY queue:default bytes 1"},
    {"counter_dead_bytes", DEAD, "HINCRBY queue:default dead_bytes 7"},
    {"wake_tokens", EMPTY, "RPUSH queue:default:wake 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"},
    {"queue_not_listed", EMPTY, "HSET queue:q in 0"},
    /* chats */
    {"chat_without_job", EMPTY, "SET chat:f:c x"},
    {"chat_of_other", DONE, "SET chat:f:d $id PX 60000"},
    {"chat_expires", WAITING, "PEXPIRE chat:f:c 60000"},
    {"chat_stays", DONE, "PERSIST chat:f:c"},
    {"not_its_chats", WAITING, "DEL chat:f:c"},
    {"not_its_chats", RUNNING, "SET chat:f:c x PX 60000"},
    {"not_its_chats stream_of_other", RUNNING, OTHER_JOB "SET chat:f:c o PX 60000"},
    {"not_its_chats", DELAYED,
     OTHER_JOB "SET chat:f:c o PX 60000;DEL stream:f:c;"
               "XADD stream:f:c 7-0 type queued job o first 7;"
               "XADD stream:f:c 7-1 type done job o data [DONE];PEXPIRE stream:f:c 60000"},
    /* streams */
    {"stream_missing", WAITING, "DEL stream:f:c"},
    {"stream_missing", RUNNING, "DEL stream:f:c"},
    {"stream_missing", DELAYED, "DEL stream:f:c"},
    {"wrong_type", WAITING, "DEL stream:f:c;SET stream:f:c x"},
    {"stream_expires", DELAYED, "PEXPIRE stream:f:c 60000"},
    {"stream_stays", RUNNING, "PERSIST stream:f:c"},
    {"stream_stays", DONE, "PERSIST stream:f:c"},
    {"stream_without_job", EMPTY, "XADD stream:f:c 7-0 type queued job x first 7"},
    {"stream_of_other", WAITING,
     OTHER_JOB "DEL stream:f:c;XADD stream:f:c 7-0 type queued job o first 7;"
               "XADD stream:f:c 7-1 type done job o data [DONE]"},
    {"stream_form", WAITING, "XADD stream:f:c $first-7 data m7"},
    {"stream_form", RUNNING, "XADD stream:f:c 9999999999999-1 data x"},
    {"stream_form", RUNNING,
     "DEL stream:f:c;XADD stream:f:c $attempt-0" START "XADD stream:f:c $attempt-1 data m1;"
     "XADD stream:f:c $attempt-3 data m3;HSET job:$id last 3;PEXPIRE stream:f:c 60000"},
    {"!stream_form", DONE,
     "DEL stream:f:c;XADD stream:f:c $attempt-0" START
     "XADD stream:f:c $attempt-7 type done job $id data [DONE];PEXPIRE stream:f:c 60000"},
    {"stream_marker", WAITING, "DEL stream:f:c;XADD stream:f:c 7-0 type queued job $id first 7"},
    {"stream_end", WAITING, "XADD stream:f:c $first-1 type done job $id data [DONE]"},
    {"stream_end", DONE,
     "DEL stream:f:c;XADD stream:f:c $attempt-0" START "PEXPIRE stream:f:c 60000"},
    {"!stream_end", DONE,
     "DEL stream:f:c;XADD stream:f:c $attempt-0" START
     "XADD stream:f:c $attempt-1 type expired job $id data [DONE];PEXPIRE stream:f:c 60000"},
    {"stream_last", RUNNING, "HSET job:$id last 3"},
    {"stream_last", RUNNING, "XADD stream:f:c $attempt-1 data m1"},
    {"stream_middle", RUNNING,
     "DEL stream:f:c;XADD stream:f:c $attempt-0" START
     "XADD stream:f:c $attempt-1 type odd data m1;XADD stream:f:c $attempt-2 data m2;"
     "HSET job:$id last 2;PEXPIRE stream:f:c 60000"},
    /* workers and schedules */
    {"worker_stays", EMPTY, "HSET worker:w9 seen 1"},
    {"worker_without_hash", EMPTY, "ZADD workers $now w9"},
    {"schedule_without_hash", EMPTY, "ZADD schedules 1 s"},
    {"!schedule_without_time", EMPTY, "HSET schedule:s every_ms 1000"},
};

/* ---- a scene, and the damage ---- */

struct stage {
    struct rig *rig;
    char id[JOB_ID_SIZE], owner[160], first[32], attempt[32], now[32];
};

static void end_dead(struct rig *rig, const struct claim *c)
{
    struct finish in = {.how = FINISH_FAILED, .reason = "exit", .detail = "", .retry = false};
    assert_int_equal(rig_finish(rig, c, &in).result.state, JOB_DEAD);
}

static void set(struct stage *s, enum scene scene)
{
    rig_fresh((void **)&s->rig);
    if (scene == EMPTY)
        return;
    struct enqueued job = {0};
    struct enqueue in = question_with("c", "1234");
    job = rig_enqueue(s->rig, &in);
    snprintf(s->id, sizeof s->id, "%s", job.job);
    if (scene != WAITING) {
        struct claim c = rig_take(s->rig, "w1");
        snprintf(s->owner, sizeof s->owner, "%s", c.owner);
        if (scene == RUNNING)
            assert_int_equal(rig_beat(s->rig, "w1", &c, 1, true).status, STATUS_OK);
        if (scene == DELAYED)
            assert_int_equal(rig_failed(s->rig, &c).result.state, JOB_DELAYED);
        if (scene == DONE)
            assert_int_equal(rig_done(s->rig, &c, 0).result.state, JOB_DONE);
        if (scene == DEAD)
            end_dead(s->rig, &c);
    }
    snprintf(s->first, sizeof s->first, "%s", cli(s->rig, "HGET job:%s first", s->id));
    snprintf(s->attempt, sizeof s->attempt, "%s", cli(s->rig, "HGET job:%s attempt", s->id));
}

/* One command, with what stands for $names. */
static void do_command(struct stage *s, const char *command, size_t length)
{
    const struct {
        const char *name, *value;
    } values[] = {{"$id", s->id},
                  {"$owner", s->owner},
                  {"$first", s->first},
                  {"$attempt", s->attempt},
                  {"$now", s->now}};
    char line[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < length;) {
        size_t skip = 0;
        for (size_t k = 0; k < COUNT_OF(values) && !skip; k++) {
            if (strncmp(command + i, values[k].name, strlen(values[k].name)) != 0)
                continue;
            skip = strlen(values[k].name);
            used += (size_t)snprintf(line + used, sizeof line - used, "%s", values[k].value);
        }
        if (!skip)
            line[used++] = command[i];
        line[used] = '\0';
        i += skip ? skip : 1;
    }
    const char *answer = cli(s->rig, "%s", line);
    if (strncmp(answer, "(error)", 7) == 0)
        fail_msg("%s: %s", line, answer);
}

static void break_it(struct stage *s, const struct damage *damage)
{
    set(s, damage->scene);
    snprintf(s->now, sizeof s->now, "%" PRId64, rig_now(s->rig));
    const char *broken = invariants_broken(s->rig);
    if (*broken)
        fail_msg("before %s: %s", damage->commands, broken);
    for (const char *at = damage->commands; *at;) {
        size_t length = strcspn(at, ";");
        do_command(s, at, length);
        at += length + (at[length] == ';');
    }
}

/* ---- what is found ---- */

struct report {
    struct buf words, whole; /* of what does not fit; everything that was told */
    struct fsck_summary summary;
};

static void on_found(void *arg, const struct fsck_finding *f)
{
    struct report *report = arg;
    buf_printf(&report->whole, "\n%s %s %s; %s", f->word, f->key, f->sentence, f->done);
    if (!*f->done)
        buf_printf(&report->words, "%s\n", f->word);
}

static void run(struct rig *rig, bool repair, struct report *report)
{
    struct ask ask = {.redis = rig->redis, .loop = &rig->loop, .settings = &rig->settings};
    buf_reset(&report->words);
    buf_reset(&report->whole);
    enum status status = fsck_run(&ask, repair, on_found, report, &report->summary);
    if (status != STATUS_OK)
        fail_msg("%s: %s", status_name(status), buf_text(&ask.words));
    buf_clear(&ask.words);
}

static void clear(struct report *report)
{
    buf_clear(&report->words);
    buf_clear(&report->whole);
}

/* The first word of each line, each once, sorted. */
static void sort_words(const char *lines, char out[256])
{
    const char *words[16];
    size_t lengths[16], count = 0, used = 0;
    for (const char *at = lines; *at && count < COUNT_OF(words);) {
        size_t length = strcspn(at, " \n"), place = 0;
        while (place < count && strncmp(words[place], at, length) < 0)
            place++;
        if (place == count || lengths[place] != length || strncmp(words[place], at, length) != 0) {
            memmove(words + place + 1, words + place, (count - place) * sizeof *words);
            memmove(lengths + place + 1, lengths + place, (count - place) * sizeof *lengths);
            words[place] = at;
            lengths[place] = length;
            count++;
        }
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, 256 - used, "%s%.*s", i ? " " : "", (int)lengths[i],
                                 words[i]);
}

static void expect_words(const struct damage *damage, const char *lines, const char *wanted,
                         const char *who, const char *whole)
{
    char words[256];
    sort_words(lines, words);
    if (strcmp(words, wanted) != 0)
        fail_msg("%s\n%s finds \"%s\", not \"%s\"; told: %s", damage->commands, who, words, wanted,
                 whole);
}

static void each_damage_alone_is_found(void **state)
{
    struct stage stage = {.rig = *state};
    struct report report = {0};
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        const struct damage *damage = &damages[i];
        const char *wanted = damage->words + (*damage->words == '!');
        break_it(&stage, damage);
        const char *broken = invariants_broken(stage.rig);
        expect_words(damage, broken, wanted, "the single look", broken);
        char *before = rig_dump(stage.rig);
        run(stage.rig, false, &report);
        expect_words(damage, buf_text(&report.words), wanted, "the walk", buf_text(&report.whole));
        char *after = rig_dump(stage.rig);
        assert_string_equal(after, before);
        free(before);
        free(after);
    }
    clear(&report);
}

static void a_repair_leaves_nothing_but_what_no_step_would(void **state)
{
    struct stage stage = {.rig = *state};
    struct report report = {0};
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        const struct damage *damage = &damages[i];
        const char *left = *damage->words == '!' ? damage->words + 1 : "";
        break_it(&stage, damage);
        run(stage.rig, true, &report);
        expect_words(damage, buf_text(&report.words), left, "after a repair the walk",
                     buf_text(&report.whole));
        assert_int_equal(report.summary.repaired == 0, *left != '\0');
        const char *broken = invariants_broken(stage.rig);
        expect_words(damage, broken, left, "after a repair the single look", broken);
    }
    clear(&report);
}

static void a_queue_that_is_served_and_never_had_a_job_is_nobodys_concern(void **state)
{
    struct rig *rig = *state;
    cli(rig, "HSET queue:q reaped 1");
    assert_string_equal(invariants_broken(rig), "");
}

/* ---- more than one page of everything ---- */

#define MANY 620 /* more than the counters look at one by one */

static void put_many(struct rig *rig, char id[JOB_ID_SIZE], int which)
{
    for (int i = 0; i < MANY; i++) {
        char chat[16];
        snprintf(chat, sizeof chat, "c%d", i);
        struct enqueue in = question_with(chat, "1234");
        struct enqueued job = rig_enqueue(rig, &in);
        assert_int_equal(job.outcome, ENQUEUE_STARTED);
        if (i == which)
            snprintf(id, JOB_ID_SIZE, "%s", job.job);
    }
}

static void expect_found(struct rig *rig, const char *what, const char *wanted)
{
    struct report report = {0};
    const struct damage damage = {.words = wanted, .commands = what};
    run(rig, false, &report);
    expect_words(&damage, buf_text(&report.words), wanted, "the walk", buf_text(&report.whole));
    assert_int_equal(report.summary.jobs, MANY);
    assert_int_equal(report.summary.streams, MANY);
    assert_int_equal(report.summary.queues, 1);
    assert_int_equal(report.summary.moving, 0);
    run(rig, true, &report);
    expect_words(&damage, buf_text(&report.words), "", "after a repair the walk",
                 buf_text(&report.whole));
    clear(&report);
}

static void a_long_line_is_read_in_pages(void **state)
{
    struct rig *rig = *state;
    char id[JOB_ID_SIZE];
    put_many(rig, id, 300);
    expect_found(rig, "nothing broken", "");
    cli(rig, "HINCRBY queue:default bytes 1");
    expect_found(rig, "bytes", "counter_bytes");
    assert_cli(rig, "2480", "HGET queue:default bytes");
    cli(rig, "LREM " LINE " 0 %s", id);
    expect_found(rig, "not in its line", "waiting_in_no_line");
    assert_cli(rig, text_of("%s", id), "LINDEX " LINE " 0");
    cli(rig, "RPUSH " LINE " %s", id);
    expect_found(rig, "at both ends", "waiting_twice");
    cli(rig, "LINSERT " LINE " BEFORE %s nobody", id);
    expect_found(rig, "one that nobody knows", "line_without_waiting");
    assert_cli(rig, "620", "LLEN " LINE);
}

static void many_dead_ones_many_hands_and_many_features_are_read_in_pages(void **state)
{
    struct rig *rig = *state;
    char id[JOB_ID_SIZE];
    put_many(rig, id, 0);
    for (int i = 0; i < MANY; i++) {
        struct claim c = rig_take(rig, "w1");
        if (i % 2)
            end_dead(rig, &c);
    }
    for (int i = 0; i < MANY; i++)
        cli(rig, "RPUSH queue:default:3 f%d", i);
    expect_found(rig, "turns", "turn_without_line");
    cli(rig, "HINCRBY queue:default dead_bytes 1");
    expect_found(rig, "dead bytes", "counter_dead_bytes");
    cli(rig, "ZADD queue:default:running 1 nobody");
    expect_found(rig, "a lease", "lease_without_running");
    cli(rig, "HSET worker:w1 job:nobody w1:1");
    expect_found(rig, "a hand", "hand_without_owner");
}

static void a_long_stream_is_read_in_pages(void **state)
{
    struct rig *rig = *state;
    struct stage stage = {.rig = rig};
    struct report report = {0};
    static const struct damage damage = {.words = "stream_middle", .commands = "a marker at 701"};
    set(&stage, RUNNING);
    for (int n = 1; n <= 900; n++)
        cli(rig, "XADD stream:f:c %s-%d %s x", stage.attempt, n,
            n == 701 ? "type odd data" : "data");
    cli(rig, "HSET job:%s last 900", stage.id);
    run(rig, false, &report);
    expect_words(&damage, buf_text(&report.words), damage.words, "the walk",
                 buf_text(&report.whole));
    assert_int_equal(report.summary.findings, 1);
    clear(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(each_damage_alone_is_found),
        RIG_TEST(a_repair_leaves_nothing_but_what_no_step_would),
        RIG_TEST(a_queue_that_is_served_and_never_had_a_job_is_nobodys_concern),
        RIG_TEST(a_long_line_is_read_in_pages),
        RIG_TEST(many_dead_ones_many_hands_and_many_features_are_read_in_pages),
        RIG_TEST(a_long_stream_is_read_in_pages),
    };
    return RIG_MAIN(tests);
}

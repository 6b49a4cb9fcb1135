/*
 * Everything that allocates and needs no loop, again and again, with the 1st, the 2nd … the last
 * of its allocations failing, alone or with all that follow it: it says so, keeps what it promises
 * to keep, and gives everything back.
 *
 * A scenario returns whether it was told that all went well. That must be so exactly when no
 * allocation has failed: a failure that nobody is told of is a wrong answer later.
 */
#include "failing_memory.h"

#include "buf.h"
#include "chat_input.h"
#include "entry.h"
#include "frames.h"
#include "job_input.h"
#include "job_line.h"
#include "json.h"
#include "keys.h"
#include "lines.h"
#include "order.h"
#include "outbox.h"
#include "record.h"
#include "render_script.h"
#include "script.h"
#include "settings.h"
#include "spawn.h"
#include "sse.h"
#include "tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#define ROUNDS_MOST 5000

/* An assertion while memory fails: cmocka needs some to say what is wrong. */
#define EXPECT(claim)                                                        \
    do {                                                                     \
        if (!(claim)) {                                                      \
            memory_is_back();                                                \
            fail_msg("allocation %zu failed: not %s", memory.fails, #claim); \
        }                                                                    \
    } while (0)

struct scenario {
    const char *name;
    bool (*run)(void);
};

static void with_each_failure(const struct scenario *scenario, bool for_good)
{
    size_t round = 0;
    bool has_failed;
    do {
        memory_fails_at(++round, for_good);
        bool went_well = scenario->run();
        size_t kept = memory_is_back();
        has_failed = memory_has_failed();
        if (kept > 0)
            fail_msg("%s: allocation %zu failed: %zu blocks were not given back", scenario->name,
                     round, kept);
        if (went_well == has_failed)
            fail_msg("%s: allocation %zu %s, and it was told that %s", scenario->name, round,
                     has_failed ? "failed" : "did not fail",
                     went_well ? "all went well" : "it did");
        assert_true(round < ROUNDS_MOST);
    } while (has_failed);
    /* A scenario that allocates nothing proves nothing. */
    assert_true(round > 1);
}

/* ---- texts ---- */

static bool write_text(void)
{
    struct buf b = {0};
    for (int i = 0; i < 200; i++) {
        buf_puts(&b, "some ");
        buf_printf(&b, "%d", i);
        buf_putc(&b, '\n');
    }
    buf_drop(&b, 10);
    bool good = buf_ok(&b);
    char *text = buf_take(&b);
    EXPECT(good == (text != NULL));
    EXPECT(buf_ok(&b) && b.length == 0);
    free(text);
    return good;
}

static bool reset_text(void)
{
    struct buf b = {0};
    bool good = true;
    buf_puts(&b, "kept");
    for (size_t more = 200; more < 2000; more += 600) {
        if (buf_reserve(&b, more))
            continue;
        EXPECT(!buf_ok(&b));
        good = false;
        buf_reset(&b);
        EXPECT(buf_ok(&b) && b.length == 0 && strcmp(buf_text(&b), "") == 0);
    }
    good &= buf_ok(&b);
    buf_clear(&b);
    return good;
}

static bool quote_text(void)
{
    static const char text[] = "a \"b\" \\ \n \xff\xff \xc3\xa9 \x01 and so on";
    struct buf quoted = {0}, clean = {0};
    for (int i = 0; i < 20; i++) {
        json_quote(&quoted, text, sizeof text);
        json_utf8_clean(&clean, text, sizeof text);
    }
    bool good = buf_ok(&quoted) && buf_ok(&clean);
    buf_clear(&quoted);
    buf_clear(&clean);
    return good;
}

static bool read_member(void *arg, const struct json_member *member)
{
    EXPECT(member->type == JSON_STRING && strlen(member->name) == 1);
    json_read_string(member->value, member->length, arg);
    return true;
}

/* The walk itself needs no memory, so it comes to the end in any case. */
static bool read_members(void)
{
    static const char text[] =
        "{\"a\":\"some \\n text\",\"b\":\"\",\"c\":\"and \\ud83d\\ude00 more\"}";
    static const char expected[] = "some \n textand \xf0\x9f\x98\x80 more";
    struct buf out = {0};
    for (int i = 0; i < 20; i++)
        EXPECT(json_members(text, sizeof text - 1, read_member, &out));
    bool good = buf_ok(&out);
    for (size_t i = 0; good && i < 20; i++)
        EXPECT(memcmp(out.data + i * strlen(expected), expected, strlen(expected)) == 0);
    EXPECT(!good || out.length == 20 * strlen(expected));
    buf_clear(&out);
    return good;
}

static bool read_job(void)
{
    static const char body[] =
        "{\"type\": \"summarise\", \"feature_id\": \"f\", \"payload\": [1,\n2],"
        "\"run_at\": \"2026-11-25T18:00:00Z\"}";
    struct job_input input;
    struct buf line = {0};
    char wrong[JOB_INPUT_WRONG_SIZE], hash[DIGEST_SIZE];
    enum status status = job_input_read(body, sizeof body - 1, INPUT_JOB, &input, wrong);
    if (status == STATUS_OK) {
        status = job_input_identity(input.type, "t", input.payload, hash);
        job_input_line(input.payload, &line);
    }
    EXPECT(status == STATUS_OK || status == STATUS_NO_MEMORY);
    bool good = status == STATUS_OK && buf_ok(&line);
    EXPECT(!good || strcmp(buf_text(&line), "[1, 2]") == 0);
    buf_clear(&line);
    return good;
}

static bool read_chat(void)
{
    static const char body[] = "{\"model\": \"m\", \"messages\": [1], \"stream\": true}";
    struct chat_input input;
    struct chat_wrong wrong;
    enum status status = chat_input_read(body, sizeof body - 1, CHAT_OPENAI, &input, &wrong);
    EXPECT(status == STATUS_OK || status == STATUS_NO_MEMORY);
    return status == STATUS_OK;
}

static bool show_record(void)
{
    static const char *const texts[] = {
        "id",           "an id",
        "payload",      "{\"a\": [1, 2, 3]}",
        "history",      "[{\"at\": 1, \"what\": \"death\"}]",
        "error",        "exit",
        "error_detail", "exit code 7",
        "created",      "1795626000500",
    };
    redisReply parts[COUNT_OF(texts)], *elements[COUNT_OF(texts)];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        parts[i] = (redisReply){.type = REDIS_REPLY_STRING, .len = strlen(texts[i])};
        parts[i].str = (char *)(uintptr_t)texts[i];
        elements[i] = &parts[i];
    }
    redisReply record = {
        .type = REDIS_REPLY_ARRAY, .elements = COUNT_OF(texts), .element = elements};
    redisReply *twice[] = {&record, &record};
    redisReply list = {.type = REDIS_REPLY_ARRAY, .elements = 2, .element = twice};
    struct buf out = {0};
    record_put_list(&out, RECORD_JOB, &list, 0);
    bool good = buf_ok(&out);
    buf_clear(&out);
    return good;
}

static bool make_keys(void)
{
    static const char script[] = "key_job(a) key_stream(a,b) key_line(a,b,c) key_workers()";
    struct buf key = {0}, functions = {0};
    key_make(&key, "prefix:", KEY_STREAM, "feature", "chat");
    bool good = buf_ok(&key);
    /* It begins anew: a failure before does not count. */
    key_make(&key, "prefix:", KEY_IDEM, "feature", "chat",
             "a key that is so long that the first piece of memory does not hold it, however "
             "generous whoever wrote this was when it came to say how much that should be");
    good &= buf_ok(&key);
    keys_lua(&functions, "prefix:", script);
    good &= buf_ok(&functions);
    buf_clear(&key);
    buf_clear(&functions);
    return good;
}

static bool make_scripts(void)
{
    struct script_set *set = script_set_new("p:");
    EXPECT(!set || strlen(script_digest(set, SCRIPT_REAP)) == 40);
    bool good = set != NULL;
    script_set_free(set);
    return good;
}

static bool write_tables(void)
{
    struct buf help = {0}, page = {0};
    settings_help(SETTINGS_WORKER, &help);
    settings_markdown(&page);
    bool good = buf_ok(&help) && buf_ok(&page);
    buf_clear(&help);
    buf_clear(&page);
    return good;
}

/* ---- what a task says, and is told ---- */

/* Room that is not there is asked for a second time; what was there before is still there. */
static bool cut_lines(void)
{
    static const char text[] = "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n";
    struct lines lines;
    struct line line;
    bool good = true, stuck = false;
    size_t told = 0, whole = 60;
    lines_init(&lines, 1000);
    for (size_t i = 0; i < whole && !stuck; i++) {
        char *room = lines_room(&lines, sizeof text - 1);
        if (!room) {
            good = false;
            room = lines_room(&lines, sizeof text - 1);
        }
        stuck = !room;
        if (stuck)
            break;
        memcpy(room, text, sizeof text - 1);
        lines_filled(&lines, sizeof text - 1);
        /* Only every now and then, so that it has to grow. */
        for (; i % 20 == 19 && lines_next(&lines, false, &line) == LINE_MESSAGE; told++)
            EXPECT(line.length == 8 && line.data[6] == (char)('1' + told % 3));
    }
    EXPECT(stuck || (lines_is_empty(&lines) && told == 3 * whole));
    lines_reset(&lines);
    return good;
}

static bool read_job_line(void)
{
    static const char text[] =
        "{\"feature_id\": \"f\", \"chat_id\": \"c\", \"payload\": {\"a\": [1]}}";
    struct job_line job;
    if (job_line_parse(text, sizeof text - 1, &job) != STATUS_OK)
        return false;
    EXPECT(strcmp(job.feature_id, "f") == 0 && strcmp(job.chat_id, "c") == 0);
    return true;
}

static bool read_tasks(void)
{
    struct tasks tasks = {0};
    struct buf error = {0};
    bool good =
        tasks_parse(&tasks, "one[reuse]=sh -c x; two=sh two; three=/bin/sh 3 4 5;", &error) &&
        tasks_find_programs(&tasks, "/", "/nowhere:/bin", &error);
    EXPECT(!good || (tasks.count == 3 && strcmp(tasks.items[1].program, "/bin/sh") == 0));
    /* There is a line, unless there was no memory for that either. */
    EXPECT(good || !buf_ok(&error) || error.length > 0);
    tasks_clear(&tasks);
    buf_clear(&error);
    return good;
}

static bool copy_environment(void)
{
    char **environment = spawn_environment();
    bool good = environment != NULL;
    free(environment);
    return good;
}

static bool take_order(void)
{
    static char payload[3000];
    const struct claimed job = {.id = "01234567-89ab-4cde-8f01-23456789abcd",
                                .owner = "w:5",
                                .type = "t",
                                .feature_id = "f",
                                .chat_id = "c",
                                .payload = payload,
                                .payload_length = sizeof payload,
                                .timeout_ms = 1000};
    struct order order;
    struct buf line = {0};
    memset(payload, '1', sizeof payload);
    if (!order_init(&order, &job, 60000))
        return false;
    order_write(&order, NULL, &line);
    bool good = buf_ok(&line);
    buf_clear(&line);
    order_clear(&order);
    return good;
}

/* ---- messages on their way ---- */

static struct message batch[OUTBOX_BATCH_COUNT];

/* Message n is n as text, and n % 7 dots behind it. */
static size_t message_text(uint64_t n, char out[32])
{
    return (size_t)snprintf(out, 32, "%llu%.*s", (unsigned long long)n, (int)(n % 7), "......");
}

static void expect_batch(struct outbox *o)
{
    char text[32];
    uint64_t first;
    struct outbox_room room = OUTBOX_ROOM;
    size_t count = outbox_next(o, batch, &room, &first);
    for (size_t i = 0; i < count; i++) {
        size_t length = message_text(first + i, text);
        EXPECT(batch[i].length == length && memcmp(batch[i].data, text, length) == 0);
    }
}

/* A message that found no room is put once more, and none of the others is harmed. */
static bool send_messages(void)
{
    struct outbox o;
    char text[32];
    bool good = true;
    outbox_init(&o, 200);
    for (uint64_t n = 1; n <= 1000; n++) {
        size_t length = message_text(n, text);
        if (outbox_put(&o, text, length) != STATUS_OK) {
            EXPECT(outbox_last(&o) == n - 1);
            good = false;
            if (outbox_put(&o, text, length) != STATUS_OK)
                break;
        }
        EXPECT(outbox_last(&o) == n);
        if (n % 300 == 0) {
            expect_batch(&o);
            outbox_acknowledge(&o, n - 100);
            EXPECT(outbox_rewind(&o, n - 105));
        }
    }
    while (!outbox_settled(&o)) {
        uint64_t before = outbox_acknowledged(&o);
        expect_batch(&o);
        outbox_acknowledge(&o, before + 50 < outbox_last(&o) ? before + 50 : outbox_last(&o));
    }
    outbox_clear(&o);
    return good;
}

/* ---- what goes over the wire ---- */

static struct slice slice_of(const char *text)
{
    return (struct slice){.data = text, .length = strlen(text)};
}

static bool render_entries(void)
{
    static const char *const texts[] = {"{\"a\": 1}", "two\nlines", "no utf-8 \xff at all", ""};
    struct buf out = {0};
    struct entry entry = {.id = {5, 1},
                          .job = slice_of("job"),
                          .reason = slice_of("reason"),
                          .detail = slice_of("detail \"quoted\""),
                          .number = 2};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        entry.data = slice_of(texts[i]);
        for (int kind = ENTRY_MESSAGE; kind <= ENTRY_EXPIRED; kind++) {
            entry.kind = (enum entry_kind)kind;
            sse_entry(&out, &entry);
        }
        sse_comment(&out, texts[i]);
    }
    sse_retry(&out, 1000);
    sse_reset(&out, entry.id, "job", 2, "retry");
    sse_superseded(&out, "job");
    sse_gone(&out, "job");
    sse_replaced(&out, "job");
    for (int named = 0; named < 2; named++) {
        sse_queued(&out, "job", 12, named);
        sse_running(&out, "job", 1, "worker", named);
    }
    bool good = buf_ok(&out);
    buf_clear(&out);
    return good;
}

static void expect_frames(const struct frames *f, uint64_t put)
{
    for (uint64_t number = f->first; number < frames_end(f); number++) {
        char text[32];
        const struct frame *frame = frames_at(f, number);
        size_t length = message_text(number, text), found;
        EXPECT(frame && frame->id.n == number);
        EXPECT(memcmp(frames_text(f, frame, &found), text, length) == 0);
        EXPECT(found == length);
    }
    EXPECT(frames_end(f) == put && f->last.n == (put ? put - 1 : 0));
}

/* An entry that found no room is put once more; the frames before it are as they were. */
static bool keep_frames(void)
{
    struct frames f = {0};
    bool good = true;
    char room[32];
    frames_begin(&f, (struct entry_id){5, 0});
    for (uint64_t n = 0; n < 300; n++) {
        struct buf text = {.data = room, .length = message_text(n, room)};
        struct entry_id id = {5, n};
        if (!frames_put(&f, id, &text, false, 4000)) {
            expect_frames(&f, n);
            good = false;
            if (!frames_put(&f, id, &text, false, 4000))
                break;
        }
        expect_frames(&f, n + 1);
    }
    frames_clear(&f);
    return good;
}

/* ---- all of them ---- */

/* ---- answers in the dialects ---- */

static const char *const answer[] = {
    "{\"type\":\"start\"}",
    "{\"type\":\"start-step\"}",
    "{\"type\":\"reasoning-delta\",\"id\":\"\\u0072\",\"delta\":\"hm\"}",
    "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"Hel\"}",
    "{\"type\":\"text-delta\",\"id\":\"t\",\"delta\":\"lo\"}",
    "{\"type\":\"tool-input-start\",\"toolCallId\":\"c\",\"toolName\":\"sun\"}",
    "{\"type\":\"tool-input-delta\",\"toolCallId\":\"c\",\"inputTextDelta\":\"{\"}",
    "{\"type\":\"tool-input-available\",\"toolCallId\":\"d\",\"toolName\":\"sun\",\"input\":{}}",
    "{\"type\":\"tool-approval-request\",\"toolCallId\":\"d\",\"approvalId\":\"p\"}",
    "{\"type\":\"tool-output-available\",\"toolCallId\":\"c\",\"output\":{}}",
    "{\"type\":\"data-x\",\"data\":1}",
    "{\"message\":\"plain\"}",
    "{\"n\":1}",
    "{\"type\":\"message-metadata\",\"messageMetadata\":{\"model\":\"m\"}}",
    "{\"type\":\"finish\",\"finishReason\":\"stop\",\"messageMetadata\":{}}",
};

static bool answer_in(const struct render_options *options, bool joins)
{
    static const char history[] = "[{\"id\":\"u\"},{\"id\":\"v\"}]";
    struct buf out = {0};
    int status;
    struct render *r = render_new(options, SCRIPTED_JOB, "support", "chat-1");
    bool ok = r && render_history(r, history, sizeof history - 1);
    if (r) {
        render_begin(r, &out);
        if (!joins)
            render_caught_up(r, &out);
        for (size_t i = 0; i < COUNT_OF(answer); i++)
            ok &= !script_message(r, i + 1, answer[i], &out) || !buf_ok(&out);
        render_caught_up(r, &out);
        bool lost = render_void(r, 2, &out);
        for (size_t i = 0; i < COUNT_OF(answer) && !lost; i++)
            ok &= !script_message(r, i + 1, answer[i], &out) || !buf_ok(&out);
        ok &= script_end(r, ENTRY_FAILED, "exit_1", NULL, &out) || !buf_ok(&out);
        if (options->whole)
            render_whole(r, &status, &out);
    }
    ok &= buf_ok(&out);
    render_free(r);
    buf_clear(&out);
    return ok;
}

static bool answer_in_dialects(void)
{
    bool ok = true;
    for (int format = RENDER_RAW; format <= RENDER_AG_UI; format++) {
        for (int joins = 0; joins < 2; joins++) {
            struct render_options options = {
                .format = (enum render_format)format, .snapshot = joins, .include_usage = true};
            ok &= answer_in(&options, joins);
        }
    }
    ok &= answer_in(&(struct render_options){.format = RENDER_OPENAI, .whole = true}, false);
    return ok;
}

#define SCENARIO(function)  \
    {                       \
#function, function \
    }

static const struct scenario scenarios[] = {
    SCENARIO(write_text),    SCENARIO(reset_text),       SCENARIO(quote_text),
    SCENARIO(read_members),  SCENARIO(make_keys),        SCENARIO(make_scripts),
    SCENARIO(write_tables),  SCENARIO(cut_lines),        SCENARIO(read_job_line),
    SCENARIO(read_tasks),    SCENARIO(copy_environment), SCENARIO(take_order),
    SCENARIO(send_messages), SCENARIO(render_entries),   SCENARIO(keep_frames),
    SCENARIO(read_job),      SCENARIO(show_record),      SCENARIO(answer_in_dialects),
    SCENARIO(read_chat),
};

static void one_allocation_that_fails_is_told_and_costs_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scenarios); i++)
        with_each_failure(&scenarios[i], false);
}

static void so_are_all_that_fail_from_one_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scenarios); i++)
        with_each_failure(&scenarios[i], true);
}

/* The aid itself. */
static void the_nth_allocation_fails_and_what_is_kept_is_counted(void **state)
{
    (void)state;
    /* Behind volatile pointers: the compiler knows malloc, and leaves out what nobody needs. */
    void *(*volatile take)(size_t) = malloc;
    void *(*volatile resize)(void *, size_t) = realloc;
    memory_fails_at(2, false);
    void *first = take(10);
    void *second = take(10);
    void *third = resize(NULL, 10);
    void *moved = resize(third, 20);
    size_t kept = memory_is_back();
    assert_non_null(first);
    assert_null(second);
    assert_non_null(moved);
    assert_true(memory_has_failed());
    assert_int_equal(kept, 2);
    free(first);
    free(moved);
    assert_int_equal(memory_is_back(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_allocation_fails_and_what_is_kept_is_counted),
        cmocka_unit_test(one_allocation_that_fails_is_told_and_costs_nothing),
        cmocka_unit_test(so_are_all_that_fail_from_one_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

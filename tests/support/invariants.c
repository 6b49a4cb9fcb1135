/*
 * invariants.c: the rules of fsck over all keys, one script.
 */
#include "invariants.h"

#include "buf.h"
#include "digest.h"
#include "script.h"

/* ARGV as of fsck_keys.lua. A large key is gone on with until its end; `left` never runs out. */
static const char body[] =
    "local r = fsck_begin(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])\n"
    "local queues = {default = true}\n"
    "for _, key in ipairs(redis.call('KEYS', string.sub(key_routes(), 1, -7) .. '*')) do\n"
    "    local parts, cursor = fsck_parts(key), '0'\n"
    "    if parts[1] == 'queue' and parts[2] then queues[parts[2]] = true end\n"
    "    fsck_guarded(r, key, function()\n"
    "        while cursor do\n"
    "            r.left = 1000000\n"
    "            cursor = fsck_key(r, key, cursor)\n"
    "        end\n"
    "    end)\n"
    "    for _, e in ipairs(parts[1] == 'stream' and redis.pcall('XRANGE', key, '-', '+') or {}) "
    "do\n"
    "        local data = pairs_of(e[2]).data\n"
    "        local n = data and string.match(data, '^m(%d+)')\n"
    "        if n and n ~= string.match(e[1], '%d+$') then\n"
    "            fsck_note(r, 'message', key, e[1] .. ' is ' .. data)\n"
    "        end\n"
    "    end\n"
    "end\n"
    "if r.others > 0 then fsck_note(r, 'unknown_key', '', r.others .. ' of them') end\n"
    "for _, id in ipairs(r.waiting) do\n"
    "    fsck_guarded(r, key_job(id), function() fsck_waiting(r, id) end)\n"
    "end\n"
    "for queue in pairs(queues) do\n"
    "    fsck_guarded(r, key_queue(queue), function() fsck_counters(r, queue, '', 0, 0) end)\n"
    "end\n"
    "for i, f in ipairs(r.found) do r.found[i] = table.concat(f, ' ', 1, 3) end\n"
    "table.sort(r.found)\n"
    "return table.concat(r.found, '\\n')\n";

struct look {
    struct buf *out;
    bool unknown; /* Redis does not know the script */
    bool answered;
};

static void on_answer(void *arg, enum status status, const struct redisReply *reply)
{
    struct look *look = arg;
    size_t length;
    const char *text = redis_reply_text(reply, &length);
    look->answered = true;
    look->unknown = strncmp(text, "NOSCRIPT", 8) == 0;
    buf_puts(look->out, status == STATUS_OK ? "" : "not checked: ");
    buf_puts(look->out, text);
}

static void ask(struct rig *rig, struct look *look, const char *command, const char *script)
{
    const struct settings *s = &rig->settings;
    const char *argv[] = {
        command,
        script,
        "0",
        "0",
        text_of("%" PRId64, s->stream_ttl_ms),
        text_of("%" PRId64, s->lease_ms),
        text_of("%" PRId64, s->idempotency_ttl_ms),
        text_of("%" PRId64, s->dead_retention_ms),
        text_of("%" PRId64, s->job_deadline_ms),
    };
    size_t lengths[COUNT_OF(argv)];
    for (size_t i = 0; i < COUNT_OF(argv); i++)
        lengths[i] = strlen(argv[i]);
    buf_reset(look->out);
    look->answered = false;
    assert_int_equal(redis_send(rig->redis, COUNT_OF(argv), argv, lengths, on_answer, look),
                     STATUS_OK);
    assert_true(await(&rig->loop, await_flag, &look->answered, AWAIT_MS));
}

const char *invariants_broken(struct rig *rig)
{
    static char *text, digest[DIGEST_SHA1_SIZE];
    static struct buf out;
    struct look look = {.out = &out};
    if (!text) {
        text = script_compose(rig->settings.key_prefix, body);
        assert_non_null(text);
        digest_sha1(text, strlen(text), digest);
    }
    ask(rig, &look, "EVALSHA_RO", digest);
    if (look.unknown)
        ask(rig, &look, "EVAL_RO", text);
    return buf_text(&out);
}

/*
 * snapshot.c: reads, saves and restores Redis by one Lua text each.
 *
 * To go back, all keys are deleted and RESTOREd from their DUMPs: 55 us for a job's 16 keys.
 * Copying them from another database takes 48 us, and there are 16 databases; FLUSHDB is slower
 * than DEL, for it gives memory back.
 */
#include "snapshot.h"

static const char read_script[] =
    "local function words_of(k, t) local w, r = {}, nil "
    "if t == 'string' then return {redis.call('GET', k)} "
    "elseif t == 'list' then return redis.call('LRANGE', k, 0, -1) "
    "elseif t == 'set' then w = redis.call('SMEMBERS', k) table.sort(w) return w "
    "elseif t == 'stream' then for i, e in ipairs(redis.call('XRANGE', k, '-', '+')) do "
    "w[i] = e[1] .. '\\2' .. table.concat(e[2], '\\2') end return w "
    "elseif t == 'hash' then r = redis.call('HGETALL', k) "
    "else r = redis.call('ZRANGE', k, 0, -1, 'WITHSCORES') end "
    "for i = 1, #r, 2 do w[#w + 1] = r[i] .. '\\2' .. r[i + 1] end table.sort(w) return w end "
    "local keys, out, time = redis.call('KEYS', '*'), {}, redis.call('TIME') table.sort(keys) "
    "for i, k in ipairs(keys) do local t, left = redis.call('TYPE', k).ok, redis.call('PTTL', k) "
    "local expiry = left < 0 and '-' or left < tonumber(ARGV[1]) and 'low' or 'ttl' "
    "out[i] = table.concat({k, t, expiry, unpack(words_of(k, t))}, '\\t') .. '\\t\\n' end "
    "return {time[1] * 1000 + math.floor(time[2] / 1000), table.concat(out)}";

static const char take_script[] =
    "local out = {} for _, k in ipairs(redis.call('KEYS', '*')) do out[#out + 1] = k "
    "out[#out + 1] = math.max(0, redis.call('PTTL', k)) out[#out + 1] = redis.call('DUMP', k) end "
    "return cmsgpack.pack(out)";

static const char restore_script[] =
    "local keys, all = redis.call('KEYS', '*'), cmsgpack.unpack(ARGV[1]) "
    "if #keys > 0 then redis.call('DEL', unpack(keys)) end "
    "for i = 1, #all, 3 do redis.call('RESTORE', all[i], all[i + 1], all[i + 2]) end "
    "return 1";

/* ---- reading, taking, restoring ---- */

static char *copy_of(const struct redisReply *reply, size_t *length)
{
    const char *text = redis_reply_text(reply, length);
    char *copy = malloc(*length + 1);
    assert_non_null(copy);
    memcpy(copy, text, *length);
    copy[*length] = '\0';
    return copy;
}

static void send_script(struct rig *rig, const char *script, const char *word, size_t length,
                        redis_reply_fn *fn, void *arg)
{
    const char *argv[] = {"EVAL", script, "0", word};
    size_t lengths[] = {4, strlen(script), 1, length};
    assert_int_equal(redis_send(rig->redis, 4, argv, lengths, fn, arg), STATUS_OK);
}

static void on_scene(void *arg, enum status status, const struct redisReply *reply)
{
    struct scene_watch *w = arg;
    size_t length;
    assert_int_equal(status, STATUS_OK);
    w->answered = true;
    w->scene.now = redis_reply_number(redis_reply_at(reply, 0));
    w->scene.text = copy_of(redis_reply_at(reply, 1), &length);
}

static void ask_for_scene(struct scene_watch *w)
{
    char half[24];
    int length = snprintf(half, sizeof half, "%" PRId64, w->rig->settings.stream_ttl_ms / 2);
    send_script(w->rig, read_script, half, (size_t)length, on_scene, w);
    w->sent = true;
}

static void on_turn(uv_prepare_t *turn)
{
    uv_prepare_stop(turn);
    ask_for_scene(turn->data);
}

void scene_watch_open(struct scene_watch *w, struct rig *rig)
{
    *w = (struct scene_watch){.rig = rig};
    uv_prepare_init(&rig->loop, &w->turn);
    w->turn.data = w;
}

void scene_watch_arm(struct scene_watch *w)
{
    w->sent = w->answered = false;
    uv_prepare_start(&w->turn, on_turn);
}

struct scene scene_watch_take(struct scene_watch *w)
{
    uv_prepare_stop(&w->turn);
    if (!w->sent)
        ask_for_scene(w);
    assert_true(await(&w->rig->loop, await_flag, &w->answered, AWAIT_MS));
    return w->scene;
}

void scene_watch_drop(struct scene_watch *w)
{
    uv_prepare_stop(&w->turn);
    assert_false(w->sent);
}

static void on_closed(uv_handle_t *handle)
{
    struct scene_watch *w = handle->data;
    w->closed = true;
}

void scene_watch_close(struct scene_watch *w)
{
    uv_close((uv_handle_t *)&w->turn, on_closed);
    while (!w->closed)
        uv_run(&w->rig->loop, UV_RUN_NOWAIT);
}

struct scene scene_read(struct rig *rig)
{
    struct scene_watch w = {.rig = rig};
    ask_for_scene(&w);
    assert_true(await(&rig->loop, await_flag, &w.answered, AWAIT_MS));
    return w.scene;
}

void scene_free(struct scene *scene)
{
    free(scene->text);
    scene->text = NULL;
}

struct taking {
    struct snapshot snapshot;
    bool answered;
};

static void on_snapshot(void *arg, enum status status, const struct redisReply *reply)
{
    struct taking *taking = arg;
    assert_int_equal(status, STATUS_OK);
    taking->answered = true;
    taking->snapshot.bytes = copy_of(reply, &taking->snapshot.length);
}

struct snapshot snapshot_take(struct rig *rig)
{
    struct taking taking = {0};
    send_script(rig, take_script, "", 0, on_snapshot, &taking);
    assert_true(await(&rig->loop, await_flag, &taking.answered, AWAIT_MS));
    return taking.snapshot;
}

static void on_restored(void *arg, enum status status, const struct redisReply *reply)
{
    size_t length;
    (void)arg;
    if (status != STATUS_OK)
        fail_msg("restoring: %s", redis_reply_text(reply, &length));
}

void snapshot_restore(struct rig *rig, const struct snapshot *snapshot)
{
    send_script(rig, restore_script, snapshot->bytes, snapshot->length, on_restored, NULL);
}

/* ---- looking at a scene's text ---- */

static const char *end_of(const char *at, const char *end, char separator)
{
    const char *found = memchr(at, separator, (size_t)(end - at));
    return found ? found : end;
}

struct words scene_line(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        struct words line = {at, end}, skipped;
        if (strncmp(at, key, length) != 0 || at[length] != '\t')
            continue;
        for (int i = 0; i < 3; i++)
            words_next(&line, &skipped);
        return line;
    }
    return (struct words){NULL, NULL};
}

bool words_next(struct words *words, struct words *out)
{
    *out = *words;
    if (words->at == words->end)
        return false;
    out->end = end_of(words->at, words->end, '\t');
    words->at = out->end < words->end ? out->end + 1 : words->end;
    return true;
}

/* In an entry names and values are parts alike; in a hash each word has two. Names differ from all
   values here, so one search serves both. */
bool words_field(struct words words, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    *out = '\0';
    for (const char *at = words.at; at < words.end; at++) {
        bool begins = at == words.at || at[-1] == '\t' || at[-1] == SCENE_SEPARATOR;
        if (!begins || (size_t)(words.end - at) <= length || at[length] != SCENE_SEPARATOR ||
            memcmp(at, name, length) != 0)
            continue;
        const char *value = at + length + 1;
        const char *end = end_of(value, end_of(value, words.end, '\t'), SCENE_SEPARATOR);
        if ((size_t)(end - value) >= size)
            return false;
        memcpy(out, value, (size_t)(end - value));
        out[end - value] = '\0';
        return true;
    }
    return false;
}

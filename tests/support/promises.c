/*
 * promises.c: each function is one promise, and looks at nothing but its own.
 */
#include "promises.h"

#include "invariants.h"

static bool same_words(struct words x, struct words y)
{
    return x.end - x.at == y.end - y.at &&
           (!x.at || memcmp(x.at, y.at, (size_t)(x.end - x.at)) == 0);
}

/* x begins with y. */
static bool begins_with(struct words x, struct words y)
{
    return x.end - x.at >= y.end - y.at &&
           (!y.at || memcmp(x.at, y.at, (size_t)(y.end - y.at)) == 0);
}

static void the_job_is_as_foretold(struct step *s, const struct scene *after, int index)
{
    const struct memory *m = &s->memory;
    const struct job *job = &m->jobs[index];
    struct words line = scene_line(after->text, text_of("job:%s", job_id(index)));
    char state[16], owner[64], attempts[16], deaths[16];
    words_field(line, "state", state, sizeof state);
    words_field(line, "owner", owner, sizeof owner);
    words_field(line, "attempts", attempts, sizeof attempts);
    words_field(line, "deaths", deaths, sizeof deaths);
    const char *holder = index == m->count - 1 && m->holder ? owner_text(m->writer, m->holder) : "";
    expect(s, strcmp(state, job_state_name(job->state)) == 0, "job %d is %s, not %s", index, state,
           job_state_name(job->state));
    expect(s, strcmp(owner, holder) == 0, "job %d is owned by '%s', not '%s'", index, owner,
           holder);
    expect(s, atoi(attempts) == job->attempts && atoi(deaths) == job->deaths,
           "job %d has %s failed attempts and %s deaths, not %d and %d", index, attempts, deaths,
           job->attempts, job->deaths);
}

static void an_ended_job_never_changes(struct step *s, const struct moment *before,
                                       const struct scene *after)
{
    const struct memory *m = before->memory;
    for (int i = 0; i < m->count; i++) {
        const char *key = text_of("job:%s", job_id(i));
        expect(s,
               job_is_alive(m->jobs[i].state) || i + 1 == s->retried ||
                   same_words(scene_line(before->scene->text, key), scene_line(after->text, key)),
               "job %d had ended, and has changed", i);
    }
    if (m->count && !job_is_alive(m->jobs[m->count - 1].state) && s->memory.count == m->count)
        expect(s,
               same_words(scene_line(before->scene->text, ACTORS_STREAM),
                          scene_line(after->text, ACTORS_STREAM)),
               "the stream of an ended job has changed");
}

static void what_is_written_stays(struct step *s, const struct moment *before,
                                  const struct scene *after)
{
    if (before->memory->top == s->memory.top)
        expect(s,
               begins_with(scene_line(after->text, ACTORS_STREAM),
                           scene_line(before->scene->text, ACTORS_STREAM)),
               "an entry of the attempt has gone or changed");
}

/* What the entry must say that stands at n: the marker, a message of its owner, the end. */
static void the_entry_is_as_foretold(struct step *s, struct words entry, uint64_t n)
{
    const struct memory *m = &s->memory;
    char type[16], data[128], job[JOB_ID_SIZE], id[ENTRY_ID_SIZE];
    const char *kind = "", *text = "", *whose = job_id(m->count - 1);
    words_field(entry, "type", type, sizeof type);
    words_field(entry, "data", data, sizeof data);
    words_field(entry, "job", job, sizeof job);
    size_t length = entry_id_format((struct entry_id){m->top, n}, id);
    if (n == 0) {
        kind = m->begun ? "start" : "queued";
    } else if (n <= m->last) {
        text = message_text(m->writer, m->top, n);
        whose = "";
    } else {
        kind = memory_newest(m)->state == JOB_DEAD ? "failed"
                                                   : job_state_name(memory_newest(m)->state);
        text = "[DONE]";
    }
    expect(s, strncmp(entry.at, id, length) == 0 && entry.at[length] == SCENE_SEPARATOR,
           "the entry's id is %.*s, not %s", (int)(entry.end - entry.at), entry.at, id);
    expect(s, strcmp(type, kind) == 0 && strcmp(data, text) == 0 && strcmp(job, whose) == 0,
           "entry %s is of type '%s' with '%s' of '%s', not '%s' with '%s' of '%s'", id, type, data,
           job, kind, text, whose);
}

static void the_stream_is_as_foretold(struct step *s, const struct scene *after)
{
    const struct memory *m = &s->memory;
    struct words entries = scene_line(after->text, ACTORS_STREAM), entry;
    uint64_t n = 0, count = m->count ? 1 + m->last + !memory_lives(m) : 0;
    for (; words_next(&entries, &entry); n++) {
        if (n < count)
            the_entry_is_as_foretold(s, entry, n);
    }
    expect(s, n == count, "the stream has %" PRIu64 " entries, not %" PRIu64, n, count);
    expect(s, !s->renewed || !strstr(after->text, ACTORS_STREAM "\tstream\tlow"),
           "the stream's expiry was not renewed");
}

void promises_judge(struct step *s, const struct moment *before, const struct scene *after)
{
    expect(s, !s->still || strcmp(before->scene->text, after->text) == 0,
           "it had to change nothing, and has changed something");
    an_ended_job_never_changes(s, before, after);
    what_is_written_stays(s, before, after);
    for (int i = 0; i < s->memory.count; i++)
        the_job_is_as_foretold(s, after, i);
    the_stream_is_as_foretold(s, after);
    expect(s, !scene_line(after->text, text_of("job:%s", job_id(s->memory.count))).at,
           "there is one job more than was put in");
}

/* Everything is given up, by time where it is held; then one claim and one finish. */
void promises_end(struct step *s)
{
    struct rig *rig = s->rig;
    if (!memory_lives(&s->memory))
        return;
    if (memory_newest(&s->memory)->state != JOB_WAITING) {
        if (s->memory.away)
            rig_reap(rig);
        let_time_pass(rig, false);
        rig_reap(rig);
    }
    struct claims claims = rig_claim(rig, "w1", 1);
    if (claims.count == 1)
        rig_done(rig, &claims.jobs[0], 0);
    struct scene scene = scene_read(rig);
    struct words entries = scene_line(scene.text, ACTORS_STREAM), entry, last = {NULL, NULL};
    char state[16], data[16];
    words_field(scene_line(scene.text, text_of("job:%s", job_id(s->memory.count - 1))), "state",
                state, sizeof state);
    while (words_next(&entries, &entry))
        last = entry;
    words_field(last, "data", data, sizeof data);
    expect(s, !job_is_alive(job_state_read(state, strlen(state))) && strcmp(data, "[DONE]") == 0,
           "it cannot be brought to an end any more: %s, and the last entry says '%s'", state,
           data);
    const char *broken = invariants_broken(rig);
    expect(s, !*broken, "after it was brought to an end: %s", broken);
    scene_free(&scene);
}

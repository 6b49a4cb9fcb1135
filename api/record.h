/**
 * record.h: what Redis knows of jobs, queues, workers and schedules, as JSON.
 *
 * The steps of admin.h answer records, flat lists of names and values. One table
 * (record.c) says which of them is shown, under which name, and in which form:
 * times as RFC 3339, lists as arrays, JSON as it stands.
 *
 * Thread: any; nothing here has a state.
 */
#ifndef LEAT_RECORD_H
#define LEAT_RECORD_H

#include "buf.h"
#include "redis.h"

enum record_kind { RECORD_JOB, RECORD_QUEUE, RECORD_WORKER, RECORD_SCHEDULE, RECORD_KINDS };

/**
 * record_put(out, kind, record)
 * Append a record as a JSON object, its members in the table's order. What is not
 * there, is empty (a list aside), or has not the form it should have, is left out.
 * Borrows record. Check buf_ok(out).
 */
void record_put(struct buf *out, enum record_kind kind, const struct redisReply *record);

/**
 * record_put_list(out, kind, list, first)
 * Append an array of the records that a list has from its element `first` on.
 */
void record_put_list(struct buf *out, enum record_kind kind, const struct redisReply *list,
                     size_t first);

/**
 * record_member(kind, index)
 * The name of the index-th member that a record of the kind may have; NULL behind the last.
 */
const char *record_member(enum record_kind kind, size_t index);

/* record_text(record, name): a text value of a record, terminated; "" when it is not there.
   Borrowed from record. */
const char *record_text(const struct redisReply *record, const char *name);

#endif

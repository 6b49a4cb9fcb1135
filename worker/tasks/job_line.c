/*
 * job_line.c: the one file of the tasks that knows cJSON.
 *
 * The payload is parsed and thrown away: no built-in task looks at it. How long
 * a line may be is the gateway's business (API_MAX_BODY); what comes through
 * this pipe was let in there.
 */
#include "job_line.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const char name_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

static bool take_name(const cJSON *object, const char *key, char out[JOB_NAME_SIZE])
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsString(item))
        return false;
    size_t length = strlen(item->valuestring);
    if (length == 0 || length >= JOB_NAME_SIZE || strspn(item->valuestring, name_bytes) != length)
        return false;
    memcpy(out, item->valuestring, length + 1);
    return true;
}

enum status job_line_parse(const char *text, size_t length, struct job_line *out)
{
    const char *end = NULL;
    /* One more than length: cJSON looks for the NUL itself to say that nothing follows the object.
     */
    cJSON *object = cJSON_ParseWithLengthOpts(text, length + 1, &end, true);
    bool good = cJSON_IsObject(object) && end == text + length &&
                take_name(object, "feature_id", out->feature_id) &&
                take_name(object, "chat_id", out->chat_id);
    cJSON_Delete(object);
    return good ? STATUS_OK : STATUS_BAD_INPUT;
}

bool job_line_is_stop(const char *text, size_t length)
{
    static const char usual[] = "{\"stop\": true}";
    return length == sizeof usual - 1 && memcmp(text, usual, length) == 0;
}

enum status job_line_read(FILE *stream, struct job_line *out)
{
    char *line = NULL;
    size_t capacity = 0;
    enum status status;
    ssize_t length = getline(&line, &capacity, stream);
    if (length < 0) {
        status = feof(stream) ? STATUS_CLOSED : STATUS_SYSTEM;
    } else {
        if (line[length - 1] == '\n')
            line[--length] = '\0';
        status = job_line_parse(line, (size_t)length, out);
    }
    free(line);
    return status;
}

/**
 * lua.h: the texts of common/lua, made into C by scripts/embed-lua.
 */
#ifndef LEAT_LUA_H
#define LEAT_LUA_H

extern const char lua_append[];
extern const char lua_cancel[];
extern const char lua_claim[];
extern const char lua_due[];
extern const char lua_enqueue[];
extern const char lua_finish[];
extern const char lua_fire[];
extern const char lua_fsck_keys[];
extern const char lua_fsck_queue[];
extern const char lua_fsck_shared[];
extern const char lua_fsck_waiting[];
extern const char lua_hand_back[];
extern const char lua_heartbeat[];
extern const char lua_job[];
extern const char lua_jobs[];
extern const char lua_leave[];
extern const char lua_look[];
extern const char lua_pause[];
extern const char lua_purge[];
extern const char lua_queues[];
extern const char lua_reap[];
extern const char lua_retry[];
extern const char lua_route[];
extern const char lua_routes[];
extern const char lua_schedule_drop[];
extern const char lua_schedule_put[];
extern const char lua_schedules[];
extern const char lua_shared[];
extern const char lua_stop[];
extern const char lua_usage[];
extern const char lua_workers[];

#endif

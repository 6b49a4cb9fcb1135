/**
 * lua.h: the texts of common/lua, made into C by scripts/embed-lua.
 */
#ifndef LEAT_LUA_H
#define LEAT_LUA_H

extern const char lua_append[];
extern const char lua_cancel[];
extern const char lua_claim[];
extern const char lua_enqueue[];
extern const char lua_finish[];
extern const char lua_hand_back[];
extern const char lua_heartbeat[];
extern const char lua_leave[];
extern const char lua_look[];
extern const char lua_reap[];
extern const char lua_shared[];

#endif

-- job: everything that is known of one. Writes nothing.
-- ARGV: 1 id. Answers a record (admin.h); an empty one where nothing is.
return record_of(ARGV[1], now_ms(), true)

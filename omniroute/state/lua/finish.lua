-- The answer of a run, its longer life, or its end. KEYS: run, index of runs.
-- ARGV: token, name, "answer" | "renew" | "drop", until, ttl in ms, bytes.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
if ARGV[3] == 'drop' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
  return 1
end
redis.call('HSET', KEYS[1], 'until', ARGV[4])
if ARGV[3] == 'answer' then
  redis.call('HSET', KEYS[1], 'answer', ARGV[6])
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[2])
return 1

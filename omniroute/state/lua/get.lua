-- A kept value. KEYS: value, use index, counts, sizes. ARGV: key, now.
local state = redis.call('HMGET', KEYS[1], 'data', 'until')
if state[1] and tonumber(state[2]) > tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
  redis.call('HINCRBY', KEYS[3], 'hits', 1)
  return state[1]
end
local size = redis.call('HGET', KEYS[4], ARGV[1])
if size then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
  redis.call('HINCRBY', KEYS[3], 'bytes', '-' .. size)
end
redis.call('HINCRBY', KEYS[3], 'misses', 1)
return false

-- Keep a value within a bounded space; what was used longest ago goes first.
-- KEYS: value, use index, counts, sizes. ARGV: key, now, data, ttl, max entries, max bytes, prefix.
local function drop(key)
  local size = redis.call('HGET', KEYS[4], key)
  redis.call('DEL', ARGV[7] .. key)
  redis.call('ZREM', KEYS[2], key)
  redis.call('HDEL', KEYS[4], key)
  if size then
    redis.call('HINCRBY', KEYS[3], 'bytes', '-' .. size)
  end
end

drop(ARGV[1])
local size = #ARGV[1] + #ARGV[3]
local most_entries, most_bytes = tonumber(ARGV[5]), tonumber(ARGV[6])
if size > most_bytes or most_entries < 1 then
  return 0
end
while redis.call('ZCARD', KEYS[2]) >= most_entries
  or tonumber(redis.call('HGET', KEYS[3], 'bytes') or '0') + size > most_bytes do
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not oldest then
    redis.call('HSET', KEYS[3], 'bytes', 0)
    break
  end
  drop(oldest)
  redis.call('HINCRBY', KEYS[3], 'evictions', 1)
end
redis.call('HSET', KEYS[1], 'data', ARGV[3], 'until', string.format('%.6f', ARGV[2] + ARGV[4]))
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[4] * 1000))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], size)
redis.call('HINCRBY', KEYS[3], 'bytes', size)
return 1

-- Forget kept values. KEYS: use index, counts, sizes. ARGV: prefix, then keys; without keys, all.
local names = {}
for index = 2, #ARGV do
  names[#names + 1] = ARGV[index]
end
if #names == 0 then
  names = redis.call('ZRANGE', KEYS[1], 0, -1)
end
for _, name in ipairs(names) do
  local size = redis.call('HGET', KEYS[3], name)
  redis.call('DEL', ARGV[1] .. name)
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[3], name)
  if size then
    redis.call('HINCRBY', KEYS[2], 'bytes', '-' .. size)
  end
end
return #names

-- Kept values, without counting that as a use. KEYS: values. ARGV: now.
local found = {}
for number, key in ipairs(KEYS) do
  local state = redis.call('HMGET', key, 'data', 'until')
  found[number] = state[1] and tonumber(state[2]) > tonumber(ARGV[1]) and state[1] or ''
end
return found

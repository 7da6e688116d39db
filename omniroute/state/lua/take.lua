-- Take a whole reservation or nothing. KEYS: windows, slots, then three keys per budget, then the reservation's own.
-- ARGV[1]: JSON {id, now, lease, windows, slots, budgets}.
-- Answers "" when granted, else {kind, index, used, wait}.
local ask = cjson.decode(ARGV[1])
local now = ask.now
local at = 0
local windows = {}

-- Overtaken by its own cancellation: the client has left, nobody would settle it.
if redis.call('EXISTS', KEYS[#KEYS]) == 1 then
  return {'void', 0, 0, ''}
end

for index, take in ipairs(ask.windows) do
  at = at + 1
  local raw = redis.call('GET', KEYS[at])
  local marks = raw and cmsgpack.unpack(raw) or {}
  local kept, used = {}, 0
  for mark = 1, #marks, 3 do
    if marks[mark + 1] > now - take.window then
      kept[#kept + 1] = marks[mark]
      kept[#kept + 1] = marks[mark + 1]
      kept[#kept + 1] = marks[mark + 2]
      used = used + marks[mark + 2]
    end
  end
  if used + take.cost > take.limit then
    local wait = ''
    if take.cost <= take.limit then
      local excess = used + take.cost - take.limit
      for mark = 1, #kept, 3 do
        excess = excess - kept[mark + 2]
        if excess <= 0 then
          wait = tostring(math.min(take.window, math.max(0, kept[mark + 1] + take.window - now)))
          break
        end
      end
    end
    return {'window', index - 1, used, wait}
  end
  windows[index] = kept
end

for index, take in ipairs(ask.slots) do
  at = at + 1
  redis.call('ZREMRANGEBYSCORE', KEYS[at], '-inf', now)
  local used = redis.call('ZCARD', KEYS[at])
  if used >= take.limit then
    return {'slot', index - 1, used, ''}
  end
end

for index, take in ipairs(ask.budgets) do
  local counter, leases, amounts = KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  at = at + 3
  -- Reservations of workers that died: charged as estimated, their answers may have been paid for.
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    local amount = redis.call('HGET', amounts, id)
    redis.call('ZREM', leases, id)
    redis.call('HSET', amounts, id, 'lapsed')
    if amount ~= '0' then -- '-0' is no integer to the server
      redis.call('HINCRBY', counter, 'reserved', '-' .. amount)
      redis.call('HINCRBY', counter, 'spent', amount)
    end
  end
  if take.enforce then
    local state = redis.call('HMGET', counter, 'spent', 'reserved')
    local used = tonumber(state[1] or '0') + tonumber(state[2] or '0')
    if used + take.cost > take.limit or used >= take.limit then
      return {'budget', index - 1, used, ''}
    end
  end
end

at = 0
for index, take in ipairs(ask.windows) do
  at = at + 1
  local marks = windows[index]
  local count = #marks
  local time = now
  if count > 0 and marks[count - 1] > time then
    time = marks[count - 1]
  end
  if count > 0 and time - marks[count - 2] < take.window / 64 then
    marks[count - 1] = time
    marks[count] = marks[count] + take.cost
  else
    marks[count + 1], marks[count + 2], marks[count + 3] = time, time, take.cost
  end
  redis.call('SET', KEYS[at], cmsgpack.pack(marks), 'PX', math.ceil(take.window * 1000) + 1000)
end
for _ in ipairs(ask.slots) do
  at = at + 1
  redis.call('ZADD', KEYS[at], now + ask.lease, ask.id)
  redis.call('PEXPIRE', KEYS[at], math.ceil(ask.lease * 1000) * 2)
end
for _, take in ipairs(ask.budgets) do
  local counter, leases, amounts = KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  at = at + 3
  local cost = string.format('%.0f', take.cost)
  redis.call('HINCRBY', counter, 'reserved', cost)
  redis.call('ZADD', leases, now + ask.lease, ask.id)
  redis.call('HSET', amounts, ask.id, cost)
  if take.ttl then
    for _, key in ipairs({counter, leases, amounts}) do
      redis.call('EXPIRE', key, take.ttl)
    end
  end
end
return ''

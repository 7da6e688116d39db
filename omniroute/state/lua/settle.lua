-- Put what was really used in the place of an estimate. KEYS as in take.lua.
-- ARGV[1]: JSON {id, at, void, tokens?, cost?, windows, slots, budgets}; a missing number keeps the estimate.
-- Answers {before, after} per budget, as text.
local ask = cjson.decode(ARGV[1])
local at = 0

if ask.void then
  redis.call('SET', KEYS[#KEYS], 1, 'EX', 120)
end

for _, take in ipairs(ask.windows) do
  at = at + 1
  if take.tokens and ask.tokens then
    local raw = redis.call('GET', KEYS[at])
    local marks = raw and cmsgpack.unpack(raw) or {}
    for mark = #marks - 2, 1, -3 do
      if marks[mark] <= ask.at then
        if ask.at <= marks[mark + 1] then
          marks[mark + 2] = math.max(0, marks[mark + 2] + ask.tokens - take.cost)
          redis.call('SET', KEYS[at], cmsgpack.pack(marks), 'KEEPTTL')
        end
        break
      end
    end
  end
end

for _ in ipairs(ask.slots) do
  at = at + 1
  redis.call('ZREM', KEYS[at], ask.id)
end

local moves = {}
for _, take in ipairs(ask.budgets) do
  local counter, leases, amounts = KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  at = at + 3
  local held = redis.call('HGET', amounts, ask.id)
  local cost = ask.cost or take.cost
  if held == 'lapsed' then
    cost = cost - take.cost
  elseif held and held ~= '0' then -- '-0' is no integer to the server
    redis.call('HINCRBY', counter, 'reserved', '-' .. held)
  end
  redis.call('ZREM', leases, ask.id)
  redis.call('HDEL', amounts, ask.id)
  local before = redis.call('HGET', counter, 'spent') or '0'
  redis.call('HINCRBY', counter, 'spent', string.format('%.0f', cost))
  if take.ttl then
    redis.call('EXPIRE', counter, take.ttl)
  end
  moves[#moves + 1] = {before, redis.call('HGET', counter, 'spent')}
end
return moves

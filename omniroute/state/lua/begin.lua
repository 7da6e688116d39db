-- Enter a request under its idempotency name. KEYS: run, index of runs.
-- ARGV: body hash, new token, now, lease, name.
-- Answers {"fresh"}, {"mismatch"}, {"running"} or {"answer", bytes}.
local run = redis.call('HMGET', KEYS[1], 'hash', 'until', 'answer')
if run[1] and tonumber(run[2]) > tonumber(ARGV[3]) then
  if run[1] ~= ARGV[1] then
    return {'mismatch'}
  end
  if run[3] then
    return {'answer', run[3]}
  end
  return {'running'}
end
local ends = string.format('%.6f', ARGV[3] + ARGV[4])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'token', ARGV[2], 'until', ends)
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[4] * 1000))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[3])
redis.call('ZADD', KEYS[2], ends, ARGV[5])
return {'fresh'}

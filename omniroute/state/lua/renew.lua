-- Keep leases of running reservations alive. KEYS: sorted sets of leases; ARGV: expiry, then one id per key.
for index, key in ipairs(KEYS) do
  redis.call('ZADD', key, 'XX', ARGV[1], ARGV[index + 1])
end
return #KEYS

-- KEYS[1]: the leases. ARGV: name, nonce.
local lease = redis.call('HGET', KEYS[1], ARGV[1])
if lease and string.match(lease, '^%d+ (%S+) ') == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return 1

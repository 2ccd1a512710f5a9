-- KEYS[1]: the leases. ARGV: name, nonce, length in ms, the node.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leases = redis.call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do -- those that ended are of no use to anyone
  if tonumber(string.match(leases[i + 1], '^%d+')) <= now then
    redis.call('HDEL', KEYS[1], leases[i])
  end
end
local ends = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ends .. ' ' .. ARGV[2] .. ' ' .. ARGV[4])
return 1

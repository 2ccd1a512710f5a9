-- KEYS[1]: the leases. ARGV: name, nonce, length in ms, the node.
local lease = redis.call('HGET', KEYS[1], ARGV[1])
if not lease then return -1 end
local ends, nonce = string.match(lease, '^(%d+) (%S+) ')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if nonce ~= ARGV[2] or tonumber(ends) <= now then return 0 end
ends = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ends .. ' ' .. nonce .. ' ' .. ARGV[4])
return 1

-- KEYS[1]: the stream's head. ARGV: node, epoch, nonce of the owner; the successor.
local head = redis.call('HMGET', KEYS[1], 'node', 'epoch', 'nonce')
for i = 1, 3 do
  if head[i] ~= ARGV[i] then return 0 end
end
redis.call('HSET', KEYS[1], 'node', '', 'nonce', '', 'successor', ARGV[4])
return 1

-- KEYS[1]: the stream's head. ARGV: epoch, nonce that were seen ('0', '' for none);
-- node, nonce of who takes over; the least new epoch.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'nonce', 'tail')
local epoch, nonce = head[1] or '0', head[2] or ''
local new = math.max(tonumber(ARGV[1]) + 1, tonumber(ARGV[5]))
if tonumber(epoch) == new and nonce == ARGV[4] then return new end -- a lost reply
if epoch ~= ARGV[1] or nonce ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'epoch', string.format('%.0f', new), 'node', ARGV[3],
  'nonce', ARGV[4], 'successor', '', 'start', head[3] or '0')
return new

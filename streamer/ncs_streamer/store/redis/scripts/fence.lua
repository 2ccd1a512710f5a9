-- KEYS[1]: the stream's head. ARGV: nonce, epoch of who writes; '', 0 for nobody.
local head = redis.call('HMGET', KEYS[1], 'nonce', 'epoch', 'tail', 'told', 'node', 'start')
if (head[1] or '') ~= ARGV[1] or (head[2] or '0') ~= ARGV[2] then
  return {'fenced', head[5] or '', head[2] or '0', head[6] or '0'}
end
local tail, told = tonumber(head[3] or 0), tonumber(head[4] or 0)
-- Lua would write large numbers as 1e+15.
local function id(offset) return string.format('%.0f-0', offset) end

-- KEYS[1]: the leases. Returns those that go on: nonce, node, ...
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, lease in ipairs(redis.call('HVALS', KEYS[1])) do
  local ends, nonce, node = string.match(lease, '^(%d+) (%S+) (.*)$')
  if tonumber(ends) > now then
    table.insert(found, nonce)
    table.insert(found, node)
  end
end
return found

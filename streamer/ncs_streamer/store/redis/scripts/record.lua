-- KEYS[2]: the events. ARGV[3]: the offset up to which they are forgotten;
-- ARGV[4..]: offset, event, ...
for i = 4, #ARGV, 2 do
  local offset = tonumber(ARGV[i])
  if offset > told then
    redis.call('XADD', KEYS[2], id(offset), 'e', ARGV[i + 1])
    told = offset
  end
end
redis.call('HSET', KEYS[1], 'told', string.format('%.0f', told))
redis.call('XTRIM', KEYS[2], 'MINID', id(math.max(tonumber(ARGV[3]), 0) + 1))
return {'ok'}

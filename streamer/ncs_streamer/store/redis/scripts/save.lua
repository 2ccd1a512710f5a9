-- KEYS[2]: the snapshots. ARGV[3]: offset, ARGV[4]: the snapshot. Two are kept.
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
local offsets = redis.call('HKEYS', KEYS[2])
table.sort(offsets, function(a, b) return tonumber(a) > tonumber(b) end)
for i = 3, #offsets do redis.call('HDEL', KEYS[2], offsets[i]) end
return {'ok'}

-- KEYS[2]: the journal. ARGV[3]: offset of the first entry; ARGV[4..]: entries.
local first = tonumber(ARGV[3])
if first > tail + 1 then return {'gap', tail} end
-- What is there already has come with an earlier try, or is not ours.
local fresh = 4
while fresh <= #ARGV and first + fresh - 4 <= tail do
  local at = id(first + fresh - 4)
  local found = redis.call('XRANGE', KEYS[2], at, at)[1]
  if not found or found[2][2] ~= ARGV[fresh] then return {'differs', tail} end
  fresh = fresh + 1
end
for i = fresh, #ARGV do
  redis.call('XADD', KEYS[2], id(first + i - 4), 'e', ARGV[i])
end
-- Written even if nothing is new: WAITAOF waits for what its own connection wrote.
tail = math.max(tail, first + #ARGV - 4)
redis.call('HSET', KEYS[1], 'tail', string.format('%.0f', tail))
return {'ok'}

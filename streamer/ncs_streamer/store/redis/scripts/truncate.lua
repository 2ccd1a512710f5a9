-- KEYS[2]: the journal. ARGV[3]: the offset up to which it is forgotten.
redis.call('XTRIM', KEYS[2], 'MINID', id(math.max(tonumber(ARGV[3]), 0) + 1))
return {'ok'}

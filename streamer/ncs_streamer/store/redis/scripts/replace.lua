-- KEYS[2..4]: journal, snapshots, events. ARGV[3]: offset, ARGV[4]: the snapshot.
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[1], 'tail', ARGV[3], 'told', '0')
return {'ok'}

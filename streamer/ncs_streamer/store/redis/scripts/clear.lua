-- KEYS[2]: the events.
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[1], 'told')
return {'ok'}

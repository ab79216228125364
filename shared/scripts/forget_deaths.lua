-- A training has a new checkpoint: deaths before it count no more; the running attempt does. given: attempt, nonce.
if is_newest(given[1], given[2]) then redis.call('HSET', job, 'deaths', '1') end

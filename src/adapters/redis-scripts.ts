/**
 * What runs inside Redis, so that what is compared and what is written are one step.
 *
 * The record of the holder is `epoch until holder`: it never expires by itself, so that a holder who was away finds whether somebody else was there
 * meanwhile. Another one takes over only when the time is over, and some more, since nodes of a Redis Cluster have clocks of their own.
 */
export const HOLD_SCRIPT = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local holder, span, margin, least = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local held = redis.call('GET', KEYS[1])
local epoch, till, by
if held then epoch, till, by = string.match(held, '^(%d+) (%d+) (.*)$') end
if epoch and by ~= holder and now < tonumber(till) + margin then
  return {'0', epoch, till}
end
local mine
if epoch and by == holder and tonumber(epoch) >= least then
  mine = tonumber(epoch)
else
  mine = math.max(now, least, epoch and tonumber(epoch) + 1 or 0)
end
local untilMs = string.format('%.0f', now + span)
local text = string.format('%.0f', mine)
redis.call('SET', KEYS[1], text .. ' ' .. untilMs .. ' ' .. holder)
return {'1', text, untilMs}
`;

/** Gives the record up, where it is the holder's own. */
export const RELEASE_SCRIPT = `
local held = redis.call('GET', KEYS[1])
if held and string.match(held, '^%d+ %d+ (.*)$') == ARGV[1] then
  redis.call('SET', KEYS[1], string.match(held, '^(%d+) ') .. ' 0 ' .. ARGV[1])
end
return 0
`;

/**
 * Writes one value and its version, `epoch seq stamp rest`. What stands there stays where it is of a later epoch, of a later write of the same
 * one, or, written by another holder, of a later stamp. A value that is gone leaves its version for a while: a write that was on its way
 * longer finds that it is late.
 */
export const WRITE_SCRIPT = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local epoch, seq, till = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kind, expires, stamp = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local rest, kept, repair = ARGV[7], tonumber(ARGV[8]), ARGV[9] == '1'
if now >= till then return 'late' end
local held = redis.pcall('GET', KEYS[2])
local before
if type(held) == 'string' then
  local e, s, m, r = string.match(held, '^(%d+) (%d+) (%d+) (.*)$')
  if e then
    before = r
    e, s, m = tonumber(e), tonumber(s), tonumber(m)
    if e > epoch then return 'fenced' end
    if e == epoch and s >= seq then return 'old' end
    if e < epoch and stamp > 0 and m > stamp and redis.call('EXISTS', KEYS[1]) == 1 then return 'newer' end
  end
elseif type(held) == 'table' then
  redis.call('DEL', KEYS[2])
end
local verdict = 'written'
if kind == 'gone' then
  if redis.call('DEL', KEYS[1]) == 0 then verdict = 'same' end
elseif kind == 'string' then
  local there = false
  if repair and before == rest then there = redis.pcall('GET', KEYS[1]) end
  if there == ARGV[10] then verdict = 'same' else redis.call('SET', KEYS[1], ARGV[10]) end
else
  local first = 10
  local same = repair and before == rest
  if same and kind == 'hash' then
    local there = redis.pcall('HGETALL', KEYS[1])
    same = not there.err and #there == #ARGV - first + 1
    if same then
      local found = {}
      for i = 1, #there, 2 do found[there[i]] = there[i + 1] end
      for i = first, #ARGV, 2 do same = same and found[ARGV[i]] == ARGV[i + 1] end
    end
  elseif same then
    local there = redis.pcall('SMEMBERS', KEYS[1])
    same = not there.err and #there == #ARGV - first + 1
    if same then
      local found = {}
      for i = 1, #there do found[there[i]] = true end
      for i = first, #ARGV do same = same and found[ARGV[i]] end
    end
  end
  if same then
    verdict = 'same'
  else
    redis.call('DEL', KEYS[1])
    local command = kind == 'hash' and 'HSET' or 'SADD'
    for i = first, #ARGV, 1000 do
      redis.call(command, KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
    end
  end
end
local text = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[6] .. ' ' .. rest
if kind == 'gone' then
  redis.call('SET', KEYS[2], text, 'PX', kept)
elseif expires > 0 then
  redis.call('SET', KEYS[2], text, 'PX', math.max(kept, expires - now + kept))
  redis.call('PEXPIREAT', KEYS[1], ARGV[5])
else
  redis.call('SET', KEYS[2], text)
  redis.call('PERSIST', KEYS[1])
end
return verdict
`;

-- Sends the requests of a file in turn (each: its length in eight digits, its bytes), for as long as wrk runs. Where a
-- request holds @@@@@@@@@ the number of what is sent is put, in nine digits. Says in JSON what was answered.

local requests, marked, n, sent = {}, {}, 0, 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for length in function() return file:read(8) end do
    requests[#requests + 1] = file:read(tonumber(length))
    marked[#requests] = requests[#requests]:find("@@@@@@@@@", 1, true) ~= nil
  end
  file:close()
end

local function numbered()
  sent = sent + 1
  return string.format("%09d", sent)
end

function request()
  n = n % #requests + 1
  if marked[n] then
    return (requests[n]:gsub("@@@@@@@@@", numbered))
  end
  return requests[n]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"answers": %d, "seconds": %f, "p50": %f, "p99": %f, "wrong": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end

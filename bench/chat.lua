-- wrk script: POSTs of a fixed body with a request id of their own each.
-- Arguments after `--`: a file with the request up to the id's value, a file with the rest, and what the ids begin with.
local prefix, suffix, label
local count = 0

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  prefix = read(args[1]) .. args[3] .. "-"
  suffix = read(args[2])
end

function request()
  count = count + 1
  return prefix .. count .. suffix
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "duration_us": %d, "failed": %d}\n',
    summary.requests,
    summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end

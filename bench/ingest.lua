-- wrk sends each thread's proofs once, then stays with the last: what is counted are the answers 201.
-- Files PROOFS.1, PROOFS.2, …: a token, then bodies, each behind its length in eight digits.
local files, kept, refused = 0, {}, {}
local thread = 0
function setup(t)
  thread = thread + 1
  t:set("number", thread)
  table.insert(kept, t)
end
function init(args)
  local file = assert(io.open(args[1] .. "." .. number, "rb"))
  local token = file:read("*l")
  headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json", ["Content-Encoding"] = "gzip" }
  bodies, at, new, other = {}, 0, 0, 0
  while true do
    local length = file:read(8)
    if not length then break end
    table.insert(bodies, file:read(tonumber(length)))
  end
  file:close()
end
function request()
  at = math.min(at + 1, #bodies)
  return wrk.format("POST", nil, headers, bodies[at])
end
function response(status)
  if status == 201 then new = new + 1 else other = other + 1 end
end
function done(summary, latency)
  local new, other = 0, 0
  for _, t in ipairs(kept) do
    new, other = new + t:get("new"), other + t:get("other")
  end
  io.write(string.format('{"kept": %d, "other": %d, "seconds": %f, "p50": %f, "p99": %f}\n', new, other,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end

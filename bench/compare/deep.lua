-- wrk sends sixteen requests at once on each connection.
local requests

function init()
  requests = string.rep(wrk.format(nil, wrk.path), 16)
end

function request()
  return requests
end

-- Linearizable gets of the keys that put.lua wrote.
local number = 0
function request()
  number = number + 1
  return wrk.format("GET", "/v1/kv/key-" .. number % 10000)
end

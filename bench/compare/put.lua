-- Durable puts of 100 bytes over 100,000 keys.
local value = string.rep("x", 100)
local number = 0
function request()
  number = number + 1
  return wrk.format("PUT", "/v1/kv/key-" .. number % 100000, nil, value)
end

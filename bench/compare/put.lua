-- Durable puts of 100 bytes over 10,000 keys.
local value = string.rep("x", 100)
local number = 0
function request()
  number = number + 1
  return wrk.format("PUT", "/v1/kv/key-" .. number % 10000, nil, value)
end

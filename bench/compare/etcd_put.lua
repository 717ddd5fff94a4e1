-- As put.lua, for etcd's JSON gateway: keys and values in base64.
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  return ((text:gsub(".", function(c)
    local bits, byte = "", c:byte()
    for i = 8, 1, -1 do bits = bits .. (byte % 2 ^ i - byte % 2 ^ (i - 1) > 0 and "1" or "0") end
    return bits
  end) .. "0000"):gsub("%d%d%d?%d?%d?%d?", function(bits)
    if #bits < 6 then return "" end
    local value = 0
    for i = 1, 6 do value = value + (bits:sub(i, i) == "1" and 2 ^ (6 - i) or 0) end
    return alphabet:sub(value + 1, value + 1)
  end) .. ({ "", "==", "=" })[#text % 3 + 1])
end
local value = base64(string.rep("x", 100))
local bodies = {}
for i = 0, 9999 do bodies[i] = '{"key":"' .. base64(string.format("key-%06d", i)) .. '","value":"' .. value .. '"}' end
local number = 0
function request()
  number = number + 1
  return wrk.format("POST", "/v3/kv/put", nil, bodies[number % 10000])
end

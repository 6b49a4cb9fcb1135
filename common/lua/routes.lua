-- routes: which features' jobs go to another queue than `default`. Writes nothing.
-- Answers a record of feature → queue, by feature.
local routes, names, answer = pairs_of(redis.call('HGETALL', key_routes())), {}, {}
for feature in pairs(routes) do names[#names + 1] = feature end
table.sort(names)
for _, feature in ipairs(names) do
    answer[#answer + 1] = feature
    answer[#answer + 1] = routes[feature]
end
return answer
